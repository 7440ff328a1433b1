"""Arrow data from a producer that may lie: the structs of the C data interface by hand."""

from __future__ import annotations

import ctypes
from typing import Any

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]

Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
Fill = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
Message = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)


class CSchema(ctypes.Structure):
    _fields_ = [
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("metadata", ctypes.c_char_p),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    ]


class CArray(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("length", "null_count", "offset")),
        *((name, ctypes.c_int64) for name in ("n_buffers", "n_children")),
        ("buffers", ctypes.c_void_p),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    ]


class CStream(ctypes.Structure):
    _fields_ = [
        ("get_schema", ctypes.c_void_p),
        ("get_next", ctypes.c_void_p),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    ]


def address(function: Any) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value


class Struct:
    """A struct with a release callback that counts how often it is called."""

    def __init__(self, struct: ctypes.Structure) -> None:
        self.struct = struct
        self.released = 0

        def release(given: int) -> None:
            self.released += 1
            type(struct).from_address(given).release = None

        self.callback = Release(release)
        struct.release = address(self.callback)

    @property
    def address(self) -> int:
        return ctypes.addressof(self.struct)

    def capsule(self, name: bytes) -> Any:
        return new_capsule(self.address, name, None)


class Schema(Struct):
    def __init__(
        self, format: bytes | None, dictionary: Schema | None = None, n_children: int = 0
    ) -> None:
        self.dictionary = dictionary
        super().__init__(
            CSchema(
                format=format,
                n_children=n_children,
                dictionary=dictionary and dictionary.address,
            )
        )


class Array(Struct):
    """`contents` are the buffers' bytes, or None for a missing one."""

    def __init__(
        self, length: int, contents: list[bytes | None], *, dictionary: Array | None = None, **fields
    ) -> None:
        self.dictionary = dictionary
        self.held = [None if x is None else ctypes.create_string_buffer(x, len(x)) for x in contents]
        self.pointers = (ctypes.c_void_p * max(1, len(contents)))(
            *(None if x is None else ctypes.addressof(x) for x in self.held)
        )
        values = {
            "length": length,
            "n_buffers": len(contents),
            "buffers": ctypes.addressof(self.pointers),
            "dictionary": dictionary and dictionary.address,
            **fields,
        }
        super().__init__(CArray(**values))


class Column:
    """An object that exports an array."""

    def __init__(self, schema: Schema, array: Array) -> None:
        self.schema, self.array = schema, array

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[Any, Any]:
        return self.schema.capsule(b"arrow_schema"), self.array.capsule(b"arrow_array")


class Stream(Struct):
    """An object that exports a stream of arrays; `failure` comes after them."""

    def __init__(
        self, schema: Schema, arrays: list[Array], failure: bytes | None = None, code: int = 0
    ) -> None:
        self.schema, self.arrays, self.waiting = schema, arrays, list(arrays)
        self.message = failure and ctypes.create_string_buffer(failure)

        def hand(source: Struct, out: int) -> None:
            # The consumer owns the copy; what is left here is released already.
            ctypes.memmove(out, source.address, ctypes.sizeof(source.struct))
            source.struct.release = None

        def get_schema(_: int, out: int) -> int:
            hand(self.schema, out)
            return 0

        def get_next(_: int, out: int) -> int:
            if self.waiting:
                hand(self.waiting.pop(0), out)
                return 0
            return code

        def get_last_error(_: int) -> int | None:
            return self.message and ctypes.addressof(self.message)

        self.functions = Fill(get_schema), Fill(get_next), Message(get_last_error)
        super().__init__(CStream(*map(address, self.functions)))

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return self.capsule(b"arrow_array_stream")
