"""Imported by a process: its clients of the Hub do not wait between two tries."""

import time
from types import SimpleNamespace

from datasets import config
from huggingface_hub import file_download
from huggingface_hub.utils import _http

for module in (_http, file_download):
    module.time = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
for name in [name for name in vars(config) if name.startswith("STREAMING_") and name.endswith("_RETRY_INTERVAL")]:
    setattr(config, name, 0)
