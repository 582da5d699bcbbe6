// The answer of a model; see view.py for what `props.value` is. All texts are set as text, since
// the names of classes come out of files.
const part = (name) => element.querySelector('.' + name);
let texts = [], ids = null, width = 0, height = 0;

function place(event) {
  const box = part('picture').getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    .map((share) => Math.min(Math.max(share, 0), 0.999999));
}

async function unpack(pointed) {
  ids = null;
  if (!pointed) return;
  const bytes = Uint8Array.from(atob(pointed.ids), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  const content = await new Response(stream).arrayBuffer();
  if (props.value && props.value.pointed === pointed) {
    [texts, width, height, ids] =
      [pointed.texts, pointed.width, pointed.height, new DataView(content)];
  }
}

function row([text, share, colour]) {
  const item = document.createElement('li');
  const bar = document.createElement('i');
  bar.style.width = 100 * share + '%';
  bar.style.background = colour;
  const [name, number] = [document.createElement('span'), document.createElement('span')];
  [name.textContent, number.textContent] = [text, share.toFixed(3)];
  item.append(bar, name, number);
  return item;
}

function show() {
  const value = props.value || {};
  part('model').textContent = value.model || '';
  part('facts').textContent = value.facts || '';
  part('message').textContent = value.message || '';
  part('message').hidden = !value.message;
  part('body').hidden = !value.picture;
  if (!value.picture) return;
  part('picture').src = value.picture;
  unpack(value.pointed);
  part('measure').textContent = value.measure;
  part('rows').replaceChildren(...value.rows.map(row));
  part('left').textContent = !value.rows.length ? 'Nothing: lower the threshold, or choose more classes.'
    : value.more ? 'and ' + value.more + ' more' : '';
  part('explained').hidden = !value.explained;
  if (value.explained) part('explained').firstElementChild.src = value.explained;
  part('mark').hidden = !value.point;
  if (value.point) {
    [part('mark').style.left, part('mark').style.top] = value.point.map((share) => 100 * share + '%');
  }
  if (value.file) {
    const link = document.createElement('a');
    [link.download, link.href] = value.file;
    link.click();
  }
}

// As large as there is room for, whatever its own size.
part('picture').addEventListener('load', () => {
  const { naturalWidth, naturalHeight } = part('picture');
  part('frame').style.width = `min(100%, ${54 * naturalWidth / naturalHeight}vh)`;
});
part('frame').addEventListener('pointermove', (event) => {
  const [x, y] = place(event);
  const at = Math.floor(y * height) * width + Math.floor(x * width);
  const text = ids ? texts[ids.getUint16(2 * at, true)] : '';
  const tip = part('tip');
  tip.hidden = !text;
  tip.textContent = text || '';
  tip.style.top = 100 * y + '%';
  [tip.style.left, tip.style.right] = x < 0.6 ? [100 * x + '%', ''] : ['', 100 * (1 - x) + '%'];
});
part('frame').addEventListener('pointerleave', () => { part('tip').hidden = true; });
part('frame').addEventListener('click', (event) => {
  const [x, y] = place(event);
  trigger('explain', { x, y });
});
part('save').addEventListener('click', (event) => {
  if (event.target.dataset.kind) trigger('save', { kind: event.target.dataset.kind });
});
watch('value', show);
show();
