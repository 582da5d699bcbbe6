"""The right files that the mutated ones are made from, and tools for taking them apart."""

import io
import json
import struct
import zipfile

import safetensors.torch
import torch

from tests.checkpoints import STATE


def torch_file(content, **kwargs):
    """Bytes of what torch.save writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **kwargs)
    return buffer.getvalue()


ZIP = torch_file({'model': STATE})
OLDER = torch_file({'model': STATE}, _use_new_zipfile_serialization=False)
SAFETENSORS = safetensors.torch.save(STATE)


def unzipped(content=ZIP):
    """Name -> bytes of each entry."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(entries, compression=zipfile.ZIP_STORED, comment=b''):
    """A zip file of (name, bytes) pairs, whose names may repeat."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression) as archive:
        archive.comment = comment
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def spans(content=ZIP):
    """Where the parts of a zip file lie: name of the part -> [(start, end), ...]."""
    found = {'data': [], 'pickle': [], 'header': []}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            name, extra = struct.unpack_from('<HH', content, entry.header_offset + 26)
            start = entry.header_offset + 30 + name + extra
            found['header'].append((entry.header_offset, start))
            part = 'pickle' if entry.filename.endswith('.pkl') else 'data'
            if entry.file_size:
                found[part].append((start, start + entry.file_size))
        found['directory'] = [(archive.start_dir, len(content) - 22)]
    found['end'] = [(len(content) - 22, len(content))]
    return found


def safetensors_parts():
    """(header as a dict, bytes of the tensors)."""
    (length,) = struct.unpack_from('<Q', SAFETENSORS)
    return json.loads(SAFETENSORS[8 : 8 + length]), SAFETENSORS[8 + length :]


def safetensors_file(header, data, length=None):
    """A safetensors file of a header as text or as a dict."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack('<Q', len(text) if length is None else length) + text + data
