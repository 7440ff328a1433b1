"""Text to id shards on disk, and back.

>>> manifest = subtok.data.encode_files(tok, ["a.txt", "b.jsonl.gz"], "shards/")
>>> shards = subtok.data.Shards("shards/")
>>> shards[0]            # the ids of the first row, a view of the mapped file
"""

from subtok.data._read import Shards
from subtok.data._write import encode_files

__all__ = ["Shards", "encode_files"]
