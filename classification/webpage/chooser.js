// Where images come in; `props.value` has the pictures of the examples.
const part = (name) => element.querySelector('.' + name);
const input = element.querySelector('input');

function say(sentence) {
  part('message').textContent = sentence;
  part('message').hidden = !sentence;
}

async function send(file) {
  if (!file) return;
  say('');
  part('drop').classList.add('busy');
  try {
    const answer = await fetch(new URL('../upload', document.baseURI), {
      method: 'POST',
      headers: { 'Content-Type': file.type || 'application/octet-stream' },
      body: file,
    });
    const { ticket, detail } = await answer.json();
    if (answer.ok) trigger('take', { ticket });
    else say(detail);
  } catch (error) {
    say('The server cannot be reached, or has refused the image unread: is it too large?');
  }
  part('drop').classList.remove('busy');
}

function show() {
  const examples = props.value || [];
  part('title').hidden = !examples.length;
  part('examples').replaceChildren(...examples.map((picture, number) => {
    const button = document.createElement('button');
    button.type = 'button';
    const image = document.createElement('img');
    [image.src, image.alt] = [picture, 'Example ' + (number + 1)];
    button.append(image);
    button.addEventListener('click', () => { say(''); trigger('take', { example: number }); });
    return button;
  }));
}

input.addEventListener('change', () => { send(input.files[0]); input.value = ''; });
part('drop').addEventListener('dragover', (event) => {
  event.preventDefault();
  part('drop').classList.add('over');
});
part('drop').addEventListener('dragleave', () => part('drop').classList.remove('over'));
part('drop').addEventListener('drop', (event) => {
  event.preventDefault();
  part('drop').classList.remove('over');
  send(event.dataTransfer.files[0]);
});
part('drop').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); input.click(); }
});
document.addEventListener('paste', (event) => send(event.clipboardData.files[0]));
watch('value', show);
show();
