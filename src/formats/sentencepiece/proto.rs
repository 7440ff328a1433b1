//! Protocol buffers, as far as models need them: fields one after the other, every length checked.

// A file is taken as hostile: no length is believed before the bytes are there, nothing recurses, and
// nothing is allocated here. Groups, an old way to nest, are refused: no model has one.

use super::FORMAT;
use crate::error::{Error, Result};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A number, also of a truth value or a choice.
    Varint(u64),
    /// Four bytes.
    Fixed32([u8; 4]),
    /// Eight bytes, which no field of a model has.
    Fixed64,
    /// A string, bytes or a message.
    Bytes(Message<'a>),
}

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) value: Value<'a>,
    /// The byte of the file at which it begins.
    pub(super) position: usize,
}

/// The bytes of a message, and where in the file they begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Message<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Message<'a> {
    /// The message that a file is.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Takes the next field off; none at the end. `path` names the message in errors.
    ///
    /// # Errors
    /// [`Error::Format`] with the path and the byte when there is no whole field.
    pub(super) fn next(&mut self, path: &str) -> Result<Option<Field<'a>>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let position = self.position;
        let tag = self.varint(path)?;
        let (number, wire) = (tag >> 3, tag & 7);
        if number == 0 || number >= 1 << 29 {
            return Err(failed(path, position, format!("{number} is no number of a field")));
        }
        let value = match wire {
            0 => Value::Varint(self.varint(path)?),
            1 => {
                self.take(8, path)?;
                Value::Fixed64
            }
            2 => {
                let start = self.position;
                let length = self.varint(path)?;
                let length = usize::try_from(length).ok().filter(|&n| n <= self.bytes.len());
                let length = length.ok_or_else(|| {
                    let left = self.bytes.len();
                    failed(path, start, format!("a length beyond the {left} bytes that are left"))
                })?;
                let position = self.position;
                Value::Bytes(Message { bytes: self.take(length, path)?, position })
            }
            3 | 4 => return Err(failed(path, position, "a group, which no model has".to_owned())),
            5 => {
                let bytes = self.take(4, path)?;
                Value::Fixed32(bytes.first_chunk().copied().unwrap_or_default())
            }
            _ => return Err(failed(path, position, format!("{wire} is no kind of a value"))),
        };
        Ok(Some(Field { number, value, position }))
    }

    fn take(&mut self, length: usize, path: &str) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.bytes.split_at_checked(length) else {
            let problem = format!("{length} bytes wanted, {} are left", self.bytes.len());
            return Err(failed(path, self.position, problem));
        };
        self.bytes = rest;
        self.position += length;
        Ok(taken)
    }

    fn varint(&mut self, path: &str) -> Result<u64> {
        let start = self.position;
        let mut number = 0u64;
        for shift in 0..10 {
            let [byte] = *self.take(1, path)? else { break };
            // Of the tenth byte one bit is left.
            if shift == 9 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7F) << (7 * shift);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(failed(path, start, "a number of more than 64 bits".to_owned()))
    }
}

/// An error with its place: what is read, and the byte of the file.
pub(super) fn failed(path: &str, position: usize, problem: String) -> Error {
    let place = if path.is_empty() {
        format!("byte {position}")
    } else {
        format!("{path}, byte {position}")
    };
    Error::format(FORMAT, place, problem)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(bytes: &[u8]) -> String {
        let mut message = Message::new(bytes);
        loop {
            match message.next("x") {
                Ok(Some(_)) => {}
                Ok(None) => return String::new(),
                Err(error) => return error.to_string(),
            }
        }
    }

    #[test]
    fn fields_come_one_after_the_other() {
        let mut message = Message::new(b"\x08\x96\x01\x12\x02ab\x1d\0\0\x80\x3f");
        let field = message.next("").unwrap().unwrap();
        assert_eq!((field.number, field.value), (1, Value::Varint(150)));
        let field = message.next("").unwrap().unwrap();
        assert_eq!(field.value, Value::Bytes(Message { bytes: b"ab", position: 5 }));
        let field = message.next("").unwrap().unwrap();
        assert_eq!((field.value, field.position), (Value::Fixed32([0, 0, 0x80, 0x3F]), 7));
        assert_eq!(message.next("").unwrap(), None);
    }

    #[test]
    fn lies_are_errors_with_their_byte() {
        assert!(problem(b"\x0a\x05ab").contains("byte 1: a length beyond the 2 bytes"));
        assert!(problem(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f").contains("a length beyond"));
        assert!(problem(&[b"\x0a".to_vec(), vec![0xFF; 1000]].concat()).contains("64 bits"));
        assert!(problem(b"\x0f\x01").contains("7 is no kind of a value"));
        assert!(problem(&[0x0B; 10_000]).contains("a group"));
        assert!(problem(b"\x0d\0\0").contains("4 bytes wanted, 2 are left"));
        assert!(problem(b"\x00").contains("0 is no number of a field"));
        assert!(problem(b"\x08").contains("1 bytes wanted, 0 are left"));
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            problem(&bytes);
        }
    }
}
