//! Embeddings on disk: safetensors files with the names that ALBERT checkpoints use.

// Reading leaves the header to the safetensors crate, which checks that tensors fill the file without
// gaps or overlaps; what the tensors must be for us is checked here. Writing is our own, for three
// things the crate does not do: rows go to the file without a second copy of the table in memory,
// the data begin at a multiple of 64 bytes, and everything is on the disk before the new file
// takes the name of the old one (see `files.rs`). An old file that is mapped somewhere stays.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::factorized::{FactorizedEmbedding, check_sizes};
use super::kernel::Panels;
use super::table::{Bytes, Kind, Table};
use crate::error::{Error, Result};
use crate::files;
use crate::ids::TokenId;

pub(super) const FORMAT: &str = "safetensors";
pub(super) const TABLE: &str = "embeddings.word_embeddings.weight";
/// As `torch.nn.Linear` keeps it: `hidden_dim` x `embedding_dim`.
pub(super) const PROJECTION: &str = "encoder.embedding_hidden_mapping_in.weight";
pub(super) const BIAS: &str = "encoder.embedding_hidden_mapping_in.bias";
/// What whole-task checkpoints put before these names.
const PREFIX: &str = "albert.";
/// The key of the padding id in the file's metadata.
const PADDING: &str = "subtok.padding_id";
/// Where data begin: a multiple of this.
pub(super) const ALIGNMENT: usize = 64;

impl FactorizedEmbedding {
    /// Writes a safetensors file. The file appears under its name when it is complete, and replaces
    /// an old one then; on an error nothing of it remains.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        files::write_atomically(path.as_ref(), |out| self.write(out))
    }

    /// The bytes of the file that [`Self::save`] writes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A vector takes everything.
        let _ = self.write(&mut bytes);
        bytes
    }

    /// Reads a safetensors file with the tensors of ALBERT's factorised embedding, with or without the
    /// prefix `albert.`; other tensors are left alone. Numbers may be of 32 or 16 bits (F32, F16, BF16).
    ///
    /// With `mmap`, rows stay in the file and come into memory when they are first used. The file must
    /// not be changed in place while it is mapped: another program that shortens it ends this one
    /// when it reads the missing part. Files written by [`Self::save`] are always new ones.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is not such a file.
    pub fn load(path: impl AsRef<Path>, mmap: bool) -> Result<Self> {
        let path = path.as_ref();
        let bytes = open(path, mmap).map_err(|source| Error::io("read", path, source))?;
        Self::parse(bytes).map_err(|error| error.in_file(path))
    }

    /// The embedding in the bytes of a file: see [`Self::load`].
    ///
    /// # Errors
    /// [`Error::Format`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::parse(Bytes::Read(bytes))
    }

    fn parse(file: Bytes) -> Result<Self> {
        let (header, metadata) = SafeTensors::read_metadata(file.as_ref())
            .map_err(|error| Error::format(FORMAT, "", error.to_string()))?;
        let start = 8 + header;
        let table = Tensor::find(&metadata, TABLE, start)?.ok_or_else(|| missing(TABLE))?;
        let projection =
            Tensor::find(&metadata, PROJECTION, start)?.ok_or_else(|| missing(PROJECTION))?;
        let [vocab_size, embedding_dim] = table.shape()?;
        let [hidden_dim, depth] = projection.shape()?;
        if depth != embedding_dim {
            let problem = format!(
                "{hidden_dim} x {depth} does not fit rows of {embedding_dim} in `{}`",
                table.name
            );
            return Err(Error::format(FORMAT, projection.name, problem));
        }
        check_sizes(vocab_size, embedding_dim, hidden_dim)
            .map_err(|error| Error::format(FORMAT, "", error.to_string()))?;
        let weights = projection.decode(file.as_ref());
        let bias = match Tensor::find(&metadata, BIAS, start)? {
            None => None,
            Some(bias) if bias.shape::<1>()? == [hidden_dim] => Some(bias.decode(file.as_ref())),
            Some(bias) => {
                let problem = format!("{} numbers do not fit {hidden_dim}", bias.shape::<1>()?[0]);
                return Err(Error::format(FORMAT, bias.name, problem));
            }
        };
        let panels = Panels::pack(embedding_dim, hidden_dim, |k, j| weights[j * embedding_dim + k]);
        let padding = padding_id(&metadata, vocab_size)?;
        let table = Table::stored(file, table.range, table.kind, embedding_dim);
        Self::from_parts(table, panels, bias, padding)
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (vocab, embed, hidden) = (self.vocab_size(), self.embedding_dim(), self.hidden_dim());
        // The table comes last: its numbers may be of 16 bits, and then nothing behind it is
        // out of step.
        let kind = match self.table.kind() {
            Kind::F32 => "F32",
            Kind::F16 => "F16",
            Kind::Bf16 => "BF16",
        };
        let mut entries = Vec::new();
        let mut begin = 0;
        let mut entry = |name: &str, kind: &str, shape: String, bytes: usize| {
            let end = begin + bytes;
            entries.push(format!(
                r#""{name}":{{"dtype":"{kind}","shape":[{shape}],"data_offsets":[{begin},{end}]}}"#
            ));
            begin = end;
        };
        entry(PROJECTION, "F32", format!("{hidden},{embed}"), 4 * hidden * embed);
        if self.bias.is_some() {
            entry(BIAS, "F32", hidden.to_string(), 4 * hidden);
        }
        let bytes = vocab * embed * self.table.kind().size();
        entry(TABLE, kind, format!("{vocab},{embed}"), bytes);
        let padding = self.padding_id();
        let padding = padding.map_or(String::new(), |id| format!(r#","{PADDING}":"{id}""#));
        let mut header =
            format!(r#"{{"__metadata__":{{"format":"pt"{padding}}},{}}}"#, entries.join(","));
        while !(8 + header.len()).is_multiple_of(ALIGNMENT) {
            header.push(' ');
        }
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        for j in 0..hidden {
            let column = (0..embed).flat_map(|k| self.projection.get(k, j).to_le_bytes());
            out.write_all(&column.collect::<Vec<u8>>())?;
        }
        for value in self.bias.iter().flatten() {
            out.write_all(&value.to_le_bytes())?;
        }
        self.table.write(|bytes| out.write_all(bytes))
    }
}

/// A tensor of a file, with numbers of a kind that we read.
pub(super) struct Tensor {
    pub(super) name: String,
    shape: Vec<usize>,
    pub(super) kind: Kind,
    /// Its bytes in the file.
    pub(super) range: std::ops::Range<usize>,
}

impl Tensor {
    pub(super) fn find(metadata: &Metadata, name: &str, start: usize) -> Result<Option<Self>> {
        let long = format!("{PREFIX}{name}");
        let found = |name: &str| metadata.info(name).map(|info| (name.to_owned(), info));
        let Some((name, info)) = found(name).or_else(|| found(&long)) else { return Ok(None) };
        let TensorInfo { dtype, shape, data_offsets: (begin, end) } = info;
        let kind = match dtype {
            Dtype::F32 => Kind::F32,
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::Bf16,
            other => {
                let problem = format!("its numbers are {other:?}, not F32, F16 or BF16");
                return Err(Error::format(FORMAT, name, problem));
            }
        };
        Ok(Some(Self { name, shape: shape.clone(), kind, range: start + begin..start + end }))
    }

    pub(super) fn shape<const N: usize>(&self) -> Result<[usize; N]> {
        match self.shape[..].try_into() {
            Ok(shape) if !self.shape.contains(&0) => Ok(shape),
            _ => {
                let problem = format!("its shape is {:?}, not {N} sizes above 0", self.shape);
                Err(Error::format(FORMAT, self.name.clone(), problem))
            }
        }
    }

    pub(super) fn decode(&self, file: &[u8]) -> Vec<f32> {
        let mut values = vec![0.0; self.range.len() / self.kind.size()];
        self.kind.decode(&file[self.range.clone()], &mut values);
        values
    }
}

pub(super) fn missing(name: &str) -> Error {
    Error::format(FORMAT, "", format!("there is no tensor `{name}`"))
}

fn padding_id(metadata: &Metadata, vocab_size: usize) -> Result<Option<TokenId>> {
    let Some(text) = metadata.metadata().as_ref().and_then(|map| map.get(PADDING)) else {
        return Ok(None);
    };
    match text.parse::<TokenId>() {
        Ok(id) if (id as usize) < vocab_size => Ok(Some(id)),
        _ => {
            let problem = format!("{text:?} is no id below {vocab_size}");
            Err(Error::format(FORMAT, format!("__metadata__.{PADDING}"), problem))
        }
    }
}

pub(super) fn open(path: &Path, mmap: bool) -> io::Result<Bytes> {
    // Asked before opening: to open a pipe is to wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if !mmap {
        return fs::read(path).map(Bytes::Read);
    }
    let file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::Read(Vec::new()));
    }
    // SAFETY: the map is read-only and private to this object, its length is that of the file, and all
    // tensors are checked to lie within it. Should another program change the bytes, numbers change,
    // and no decision that memory safety rests on is read from the map twice; should it shorten the
    // file, the system ends this process on the next access. `load` says so.
    let mapped = unsafe { Mmap::map(&file)? };
    Ok(Bytes::Mapped(mapped))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn embedding() -> FactorizedEmbedding {
        FactorizedEmbedding::new(50, 8, 16, 1, Some(2), true).expect("valid sizes")
    }

    fn vectors(embedding: &FactorizedEmbedding) -> Vec<f32> {
        let ids: Vec<u32> = (0..).take(embedding.vocab_size()).collect();
        embedding.lookup(&ids, 1).expect("in range")
    }

    /// The file of [`embedding`] with a header of another content.
    fn with_header(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let bytes = embedding().to_bytes();
        let (header, _) = SafeTensors::read_metadata(&bytes).expect("a good file");
        let mut value = serde_json::from_slice(&bytes[8..8 + header]).expect("a good header");
        change(&mut value);
        with_text(&value.to_string(), &bytes[8 + header..])
    }

    fn with_text(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn refused(bytes: Vec<u8>) -> String {
        let error = FactorizedEmbedding::from_bytes(bytes).expect_err("must be refused");
        assert_eq!(error.kind(), crate::error::ErrorKind::Format, "{error}");
        error.to_string()
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("table.safetensors");
        let made = embedding();
        made.save(&path).expect("saved");
        assert_eq!(fs::read(&path).expect("there"), made.to_bytes());
        for mmap in [true, false] {
            let loaded = FactorizedEmbedding::load(&path, mmap).expect("loaded");
            assert_eq!(vectors(&loaded), vectors(&made));
            assert_eq!(loaded.padding_id(), Some(2));
            // Onto itself, while it is mapped.
            loaded.save(&path).expect("saved");
            assert_eq!(vectors(&loaded), vectors(&made));
            assert_eq!(fs::read(&path).expect("there"), made.to_bytes());
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn data_begin_at_a_multiple_of_64_and_the_header_is_plain() {
        let bytes = embedding().to_bytes();
        let (header, metadata) = SafeTensors::read_metadata(&bytes).expect("a good file");
        assert!((8 + header).is_multiple_of(64));
        assert_eq!(metadata.offset_keys(), [PROJECTION, BIAS, TABLE]);
        assert_eq!(metadata.info(PROJECTION).expect("there").shape, [16, 8]);
    }

    #[test]
    fn tables_of_16_bits_and_names_with_a_prefix_are_read() {
        let table: [(&str, [u16; 4]); 2] =
            [("F16", [0x3C00, 0xC000, 0x3800, 0x0001]), ("BF16", [0x3F80, 0xC000, 0x3F00, 0x0001])];
        for (kind, values) in table {
            let header = json!({
                format!("{PREFIX}{PROJECTION}"): {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
                format!("{PREFIX}{TABLE}"): {"dtype": kind, "shape": [2, 2], "data_offsets": [8, 16]},
            });
            let mut data: Vec<u8> = [1_f32, 0.5].iter().flat_map(|x| x.to_le_bytes()).collect();
            data.extend(values.iter().flat_map(|x| x.to_le_bytes()));
            let bytes = with_text(&header.to_string(), &data);
            let loaded = FactorizedEmbedding::from_bytes(bytes).expect("valid");
            let got = vectors(&loaded);
            assert!(got[0] == 0.0 && (got[1] - 0.5).abs() < 1e-6, "{kind}: {got:?}");
            let again = FactorizedEmbedding::from_bytes(loaded.to_bytes()).expect("valid");
            assert_eq!(vectors(&again), got);
        }
    }

    #[test]
    fn files_cut_anywhere_are_refused() {
        let good = embedding().to_bytes();
        for length in (0..good.len()).step_by(13).chain([good.len() - 1]) {
            refused(good[..length].to_vec());
        }
        refused([&good[..], &[0; 1000]].concat());
        refused(vec![0; good.len()]);
    }

    #[test]
    fn headers_that_lie_about_their_length_are_refused() {
        let good = embedding().to_bytes();
        for length in [0, 1, 1_000_000, 1 << 63, u64::MAX] {
            refused([&length.to_le_bytes(), &good[8..]].concat());
        }
        for header in ["{{{{", "[]", "", "null", r#"{"__metadata__":[1]}"#] {
            refused(with_text(header, b""));
        }
        refused(with_text(&(r#"{"a":"#.repeat(100_000) + "1" + &"}".repeat(100_000)), b""));
    }

    #[test]
    fn tensors_that_lie_are_refused() {
        let end = 4 * (16 * 8 + 16 + 50 * 8);
        let offsets: [Value; 8] = [
            json!([576, end + 1000]),
            json!([end, 576]),
            json!([576, u64::MAX]),
            json!([576, 1.8e19]),
            json!([-8, end]),
            json!([0.5, end]),
            json!([0]),
            json!([0, 1600]),
        ];
        for value in offsets {
            refused(with_header(|header| header[TABLE]["data_offsets"] = value));
        }
        let shapes: [Value; 10] = [
            json!([1_u64 << 32, 1_u64 << 32]),
            json!([1_u64 << 63, 2]),
            json!([50_000, 8]),
            json!([1, 1]),
            json!([-1, 8]),
            json!([]),
            json!([0, 8]),
            json!([1, 50, 8]),
            json!("5x8"),
            json!([25, 16]),
        ];
        for value in shapes {
            refused(with_header(|header| header[TABLE]["shape"] = value));
        }
        for value in [json!("F99"), json!("I64"), json!("I32"), json!(4)] {
            refused(with_header(|header| header[TABLE]["dtype"] = value));
        }
    }

    #[test]
    fn missing_and_unfitting_tensors_are_named() {
        let rename = |name: &'static str| {
            refused(with_header(move |header| {
                let entries = header.as_object_mut().expect("an object");
                let entry = entries.remove(name).expect("there");
                entries.insert("other".to_owned(), entry);
            }))
        };
        assert!(rename(TABLE).contains(TABLE));
        assert!(rename(PROJECTION).contains(PROJECTION));
        let text = refused(with_header(|header| header[PROJECTION]["shape"] = json!([8, 16])));
        assert!(text.contains("8 x 16 does not fit rows of 8"), "{text}");
        let text = refused(with_header(|header| header[BIAS]["shape"] = json!([4, 4])));
        assert!(text.contains(BIAS), "{text}");
        let padding = |value: &str| {
            let text =
                refused(with_header(|header| header["__metadata__"][PADDING] = json!(value)));
            assert!(text.contains("__metadata__.subtok.padding_id"), "{text}");
        };
        for value in ["50", "-1", "x", "99999999999999999999"] {
            padding(value);
        }
    }

    #[test]
    fn paths_that_cannot_be_used_are_system_errors() {
        let folder = tempfile::tempdir().expect("a folder");
        let gone = folder.path().join("none").join("x.safetensors");
        let text = embedding().save(&gone).expect_err("no folder").to_string();
        assert!(text.starts_with("cannot write ") && text.contains("none"), "{text}");
        for path in [gone.as_path(), folder.path()] {
            for mmap in [true, false] {
                let error = FactorizedEmbedding::load(path, mmap).expect_err("no file");
                assert_eq!(error.kind(), crate::error::ErrorKind::Io);
            }
        }
        assert!(embedding().save(folder.path()).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        let empty = folder.path().join("empty");
        fs::write(&empty, b"").expect("written");
        let error = FactorizedEmbedding::load(&empty, true).expect_err("empty");
        assert_eq!(error.kind(), crate::error::ErrorKind::Format);
    }
}
