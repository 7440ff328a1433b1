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

use super::factorized::{FactorizedEmbedding, MAX_WIDTH, check_sizes};
use super::kernel::{Isa, Panels, rows};
use super::kind::{Coded, Kind};
use super::table::{Bytes, Layout, Table};
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
/// A quantised table, in the place of [`TABLE`].
const QUANTISED: &str = "embeddings.word_embeddings.weight_q";
/// Its scales: for every row one, or one for every group.
const SCALES: &str = "embeddings.word_embeddings.weight_scale";
/// Keys of the file's metadata: the padding id;
const PADDING: &str = "subtok.padding_id";
/// how a table is quantised,
const SCHEME: &str = "subtok.scheme";
/// the version of these rules,
const VERSION: &str = "subtok.version";
/// the width of the rows, which bytes of two numbers do not tell;
const WIDTH: &str = "subtok.embedding_dim";
/// whether there is a projection,
pub(super) const LAYOUT: &str = "subtok.layout";
/// which here there is not.
const FULL: &str = "full";
/// Or that the table is one of a whole embedding stage,
pub(super) const STAGE: &str = "albert";
/// as it is where there is a normalisation.
const NORMALISED: &str = "embeddings.LayerNorm.weight";
/// Where data begin: a multiple of this.
pub(super) const ALIGNMENT: usize = 64;

impl FactorizedEmbedding {
    /// Writes a safetensors file. The file appears under its name when it is complete, and replaces
    /// an old one then; on an error nothing of it remains.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] when the file that the rows lie in was shortened.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.table.check()?;
        files::write_atomically(path.as_ref(), |out| self.write(out))
    }

    /// The bytes of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// [`Error::Format`] when the file that the rows lie in was shortened, [`Error::Argument`] when
    /// memory does not suffice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.table.check()?;
        // Room for the header too; longer ones grow.
        let size = self.bytes().saturating_add(1024);
        in_memory("the size of the table", size, |out| self.write(out))
    }

    /// Reads a safetensors file with the tensors of ALBERT's factorised embedding, with or without the
    /// prefix `albert.`; other tensors are left alone. Numbers may be of 32 or 16 bits (F32, F16, BF16).
    /// Read are also quantised tables and tables without projection, as [`Self::save`] writes them.
    ///
    /// With `mmap`, rows stay in the file and come into memory when they are first used. The file must
    /// not be changed in place while it is mapped. A call finds out whether it was shortened, but one
    /// that runs while another program shortens it ends this process. Files written by [`Self::save`]
    /// are always new ones.
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
        let file_of = Header { metadata: &metadata, start: 8 + header };
        let projection = file_of.find(PROJECTION)?;
        let full = file_of.is_full()?;
        if projection.is_some() && file_of.find(NORMALISED)?.is_some() {
            return Err(is_stage());
        }
        if full && let Some(projection) = projection {
            let problem = format!("a file with {LAYOUT} {FULL:?} has no projection");
            return Err(Error::format(FORMAT, projection.name, problem));
        }
        let depth = match &projection {
            Some(projection) => Some(projection.shape::<2>()?[1]),
            None if full => None,
            None => return Err(missing(PROJECTION)),
        };
        let (layout, [vocab_size, embedding_dim]) = file_of.table(depth)?;
        let hidden_dim = match &projection {
            None => embedding_dim,
            Some(projection) => {
                let [hidden_dim, depth] = projection.shape()?;
                if depth != embedding_dim {
                    let problem =
                        format!("{hidden_dim} x {depth} does not fit rows of {embedding_dim}");
                    return Err(Error::format(FORMAT, projection.name.clone(), problem));
                }
                hidden_dim
            }
        };
        // A factor that is not there takes no room.
        check_sizes(vocab_size, embedding_dim, if full { 1 } else { hidden_dim })
            .map_err(|error| Error::format(FORMAT, "", error.to_string()))?;
        let panels = match projection {
            None => Panels::identity(embedding_dim),
            Some(projection) => {
                let weights = projection.decode(file.as_ref())?;
                Panels::pack(embedding_dim, hidden_dim, |k, j| weights[j * embedding_dim + k])
            }
        };
        let bias = match file_of.find(BIAS)? {
            None => None,
            Some(bias) if bias.shape::<1>()? == [hidden_dim] => Some(bias.decode(file.as_ref())?),
            Some(bias) => {
                let problem = format!("{} numbers do not fit {hidden_dim}", bias.shape::<1>()?[0]);
                return Err(Error::format(FORMAT, bias.name, problem));
            }
        };
        let padding = file_of.padding_id(vocab_size)?;
        Self::from_parts(Table::stored(file, layout, embedding_dim), panels, bias, padding)
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (vocab, embed, hidden) = (self.vocab_size(), self.embedding_dim(), self.hidden_dim());
        let kind = self.table.kind();
        let mut entries = Vec::new();
        let mut begin = 0;
        let mut entry = |name: &str, kind: &str, shape: String, bytes: usize| {
            let end = begin + bytes;
            entries.push(format!(
                r#""{name}":{{"dtype":"{kind}","shape":[{shape}],"data_offsets":[{begin},{end}]}}"#
            ));
            begin = end;
        };
        let mut marks = vec![(String::from("format"), String::from("pt"))];
        let mut mark = |key: &str, value: String| marks.push((key.to_owned(), value));
        if self.has_projection() {
            entry(PROJECTION, "F32", format!("{hidden},{embed}"), 4 * hidden * embed);
        } else {
            mark(LAYOUT, FULL.to_owned());
        }
        if self.bias.is_some() {
            entry(BIAS, "F32", hidden.to_string(), 4 * hidden);
        }
        // The narrowest numbers come last; then nothing behind them is out of step.
        let scales = kind.row_scales(embed);
        if scales > 0 {
            entry(SCALES, "BF16", format!("{vocab},{scales}"), vocab * kind.scale_bytes(embed));
            mark(SCHEME, kind.name().to_owned());
            mark(VERSION, "1".to_owned());
            mark(WIDTH, embed.to_string());
        }
        let (name, dtype, columns) = match kind {
            Kind::F32 => (TABLE, "F32", embed),
            Kind::F16 => (TABLE, "F16", embed),
            Kind::Bf16 => (TABLE, "BF16", embed),
            Kind::Int8 => (QUANTISED, "I8", embed),
            Kind::Int4 => (QUANTISED, "U8", kind.row_bytes(embed)),
        };
        entry(name, dtype, format!("{vocab},{columns}"), vocab * kind.row_bytes(embed));
        if let Some(id) = self.padding_id() {
            mark(PADDING, id.to_string());
        }
        let marks: Vec<_> =
            marks.iter().map(|(key, value)| format!(r#""{key}":"{value}""#)).collect();
        let mut header =
            format!(r#"{{"__metadata__":{{{}}},{}}}"#, marks.join(","), entries.join(","));
        while !(8 + header.len()).is_multiple_of(ALIGNMENT) {
            header.push(' ');
        }
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        if self.has_projection() {
            for j in 0..hidden {
                let column = (0..embed).flat_map(|k| self.projection.get(k, j).to_le_bytes());
                out.write_all(&column.collect::<Vec<u8>>())?;
            }
        }
        for value in self.bias.iter().flatten() {
            out.write_all(&value.to_le_bytes())?;
        }
        out.write_all(self.table.scales())?;
        self.table.write(|bytes| out.write_all(bytes))
    }
}

/// The header of a file.
pub(super) struct Header<'a> {
    pub(super) metadata: &'a Metadata,
    /// Where the data begin.
    pub(super) start: usize,
}

impl Header<'_> {
    /// The tensor of this name, with or without the prefix.
    pub(super) fn find(&self, name: &str) -> Result<Option<Tensor>> {
        let long = format!("{PREFIX}{name}");
        let found = |name: &str| self.metadata.info(name).map(|info| (name.to_owned(), info));
        let tensor = |(name, info): (String, &TensorInfo)| {
            let TensorInfo { dtype, shape, data_offsets: (begin, end) } = info;
            // Both lie in the file, which has been mapped or read.
            let range = self.start + begin..self.start + end;
            Tensor { name, shape: shape.clone(), dtype: *dtype, range }
        };
        match (found(name), found(&long)) {
            (Some(_), Some((long, _))) => {
                let problem = format!("`{name}` is there too; which one is meant?");
                Err(Error::format(FORMAT, long, problem))
            }
            (short, long) => Ok(short.or(long).map(tensor)),
        }
    }

    pub(super) fn mark(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// Whether the file says that its table has no projection.
    fn is_full(&self) -> Result<bool> {
        match self.mark(LAYOUT) {
            None => Ok(false),
            Some(FULL) => Ok(true),
            Some(STAGE) => Err(is_stage()),
            Some(other) => {
                let problem = format!("{other:?} is not {FULL:?}, the only one known");
                Err(Error::format(FORMAT, format!("__metadata__.{LAYOUT}"), problem))
            }
        }
    }

    /// Where the table lies, and its numbers of rows and columns. `depth` is the number of columns that
    /// the projection asks for.
    fn table(&self, depth: Option<usize>) -> Result<(Layout, [usize; 2])> {
        match (self.find(TABLE)?, self.find(QUANTISED)?) {
            (Some(table), None) => {
                let shape = table.shape()?;
                let layout = Layout { kind: table.kind()?, values: table.range, scales: 0..0 };
                Ok((layout, shape))
            }
            (None, Some(table)) => self.quantised(&table, depth),
            (None, None) => Err(missing(TABLE)),
            (Some(table), Some(other)) => {
                let problem = format!("`{}` is there too; which one is meant?", other.name);
                Err(Error::format(FORMAT, table.name, problem))
            }
        }
    }

    fn quantised(&self, table: &Tensor, depth: Option<usize>) -> Result<(Layout, [usize; 2])> {
        let wrong = |key: &str, problem: String| {
            Err(Error::format(FORMAT, format!("__metadata__.{key}"), problem))
        };
        match self.mark(VERSION) {
            Some("1") => {}
            other => return wrong(VERSION, format!("{other:?} is not \"1\", the only one known")),
        }
        let (kind, dtype) = match self.mark(SCHEME) {
            Some("int8") => (Kind::Int8, Dtype::I8),
            Some("int4") => (Kind::Int4, Dtype::U8),
            other => return wrong(SCHEME, format!("{other:?} is neither \"int8\" nor \"int4\"")),
        };
        let width = match self.mark(WIDTH).map(str::parse::<usize>) {
            Some(Ok(width)) if (1..=MAX_WIDTH).contains(&width) => width,
            _ => {
                let given = self.mark(WIDTH);
                return wrong(WIDTH, format!("{given:?} is no size from 1 to {MAX_WIDTH}"));
            }
        };
        if depth.is_some_and(|depth| depth != width) {
            return wrong(WIDTH, format!("{width} is not the depth of the projection"));
        }
        let [rows, columns] = table.shape()?;
        if table.dtype != dtype || columns != kind.row_bytes(width) {
            let problem = format!(
                "{columns} numbers of {:?} in a row are not {width} of {}",
                table.dtype,
                kind.name()
            );
            return Err(Error::format(FORMAT, table.name.clone(), problem));
        }
        let scales = self.find(SCALES)?.ok_or_else(|| missing(SCALES))?;
        let wanted = [rows, kind.row_scales(width)];
        if scales.dtype != Dtype::BF16 || scales.shape::<2>()? != wanted {
            let problem =
                format!("it is {:?} of {:?}, not {wanted:?} of BF16", scales.shape, scales.dtype);
            return Err(Error::format(FORMAT, scales.name, problem));
        }
        let layout = Layout { kind, values: table.range.clone(), scales: scales.range };
        Ok((layout, [rows, width]))
    }

    fn padding_id(&self, vocab_size: usize) -> Result<Option<TokenId>> {
        let Some(text) = self.mark(PADDING) else { return Ok(None) };
        match text.parse::<TokenId>() {
            Ok(id) if (id as usize) < vocab_size => Ok(Some(id)),
            _ => {
                let problem = format!("{text:?} is no id below {vocab_size}");
                Err(Error::format(FORMAT, format!("__metadata__.{PADDING}"), problem))
            }
        }
    }
}

/// A tensor of a file.
pub(super) struct Tensor {
    pub(super) name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    /// Its bytes in the file.
    pub(super) range: std::ops::Range<usize>,
}

impl Tensor {
    pub(super) fn shape<const N: usize>(&self) -> Result<[usize; N]> {
        match self.shape[..].try_into() {
            Ok(shape) if !self.shape.contains(&0) => Ok(shape),
            _ => {
                let problem = format!("its shape is {:?}, not {N} sizes above 0", self.shape);
                Err(Error::format(FORMAT, self.name.clone(), problem))
            }
        }
    }

    /// How its numbers are written, if they have a point.
    pub(super) fn kind(&self) -> Result<Kind> {
        match self.dtype {
            Dtype::F32 => Ok(Kind::F32),
            Dtype::F16 => Ok(Kind::F16),
            Dtype::BF16 => Ok(Kind::Bf16),
            other => {
                let problem = format!("its numbers are {other:?}, not F32, F16 or BF16");
                Err(Error::format(FORMAT, self.name.clone(), problem))
            }
        }
    }

    pub(super) fn decode(&self, file: &[u8]) -> Result<Vec<f32>> {
        let kind = self.kind()?;
        let mut values = vec![0.0; self.range.len() / kind.row_bytes(1)];
        let row = Coded { kind, values: &file[self.range.clone()], scales: &[] };
        rows::decode(Isa::best(), row, &mut values);
        Ok(values)
    }
}

/// What lies between the table and the projection is not to be left out in silence.
fn is_stage() -> Error {
    let problem = "it holds an embedding stage that adds positions and normalises before it projects: read it \
                   with AlbertEmbeddings, whose `plain` is the table and the projection alone";
    Error::format(FORMAT, "", problem)
}

pub(super) fn missing(name: &str) -> Error {
    Error::format(FORMAT, "", format!("there is no tensor `{name}`"))
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
    // and no decision that memory safety rests on is read from the map twice. Should it shorten the
    // file, the next call finds out (`Table::check`), and only a call that runs at that moment makes the
    // system end this process. `load` says so.
    let map = unsafe { Mmap::map(&file)? };
    Ok(Bytes::Mapped { map, file, path: path.to_owned() })
}

/// What `write` writes, about `size` bytes, as an error where memory does not suffice.
pub(super) fn in_memory(
    what: &'static str,
    size: usize,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let full = |_| io::Error::from(io::ErrorKind::OutOfMemory);
    let written = bytes.try_reserve(size).map_err(full).and_then(|()| write(&mut Room(&mut bytes)));
    if written.is_err() {
        let given = format!("more than {} bytes", size.max(bytes.len()));
        return Err(Error::argument(what, given, "small enough for the memory of this machine"));
    }
    Ok(bytes)
}

/// Memory as a file that may be full.
struct Room<'a>(&'a mut Vec<u8>);

impl Write for Room<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_reserve(bytes.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
        let bytes = embedding().to_bytes().expect("memory");
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
        assert_eq!(fs::read(&path).expect("there"), made.to_bytes().expect("memory"));
        for mmap in [true, false] {
            let loaded = FactorizedEmbedding::load(&path, mmap).expect("loaded");
            assert_eq!(vectors(&loaded), vectors(&made));
            assert_eq!(loaded.padding_id(), Some(2));
            // Onto itself, while it is mapped.
            loaded.save(&path).expect("saved");
            assert_eq!(vectors(&loaded), vectors(&made));
            assert_eq!(fs::read(&path).expect("there"), made.to_bytes().expect("memory"));
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn data_begin_at_a_multiple_of_64_and_the_header_is_plain() {
        let bytes = embedding().to_bytes().expect("memory");
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
            let again =
                FactorizedEmbedding::from_bytes(loaded.to_bytes().expect("memory")).expect("valid");
            assert_eq!(vectors(&again), got);
        }
    }

    /// The file of a quantised table, with a header of another content.
    fn quantised(kind: Kind, change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let bytes = embedding().quantize(kind, 1).expect("small").to_bytes().expect("memory");
        let (header, _) = SafeTensors::read_metadata(&bytes).expect("a good file");
        let mut value = serde_json::from_slice(&bytes[8..8 + header]).expect("a good header");
        change(&mut value);
        with_text(&value.to_string(), &bytes[8 + header..])
    }

    #[test]
    fn every_kind_comes_back_with_and_without_projection() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("table.safetensors");
        let table =
            FactorizedEmbedding::from_table(vectors(&embedding())[..330].to_vec(), 33, Some(4));
        for source in [embedding(), table.expect("valid")] {
            for (name, kind) in Kind::NAMES {
                let made = source.quantize(kind, 1).expect("small");
                made.save(&path).expect("saved");
                for mmap in [true, false] {
                    let loaded = FactorizedEmbedding::load(&path, mmap).expect("loaded");
                    assert_eq!(vectors(&loaded), vectors(&made), "{name}");
                    assert_eq!(loaded.kind(), kind);
                    assert_eq!(loaded.padding_id(), made.padding_id());
                    assert_eq!(loaded.has_projection(), made.has_projection());
                    assert_eq!(loaded.bytes(), made.bytes());
                    assert_eq!(loaded.to_bytes().expect("memory"), fs::read(&path).expect("there"));
                }
            }
        }
    }

    #[test]
    fn quantised_files_that_lie_are_refused() {
        for kind in [Kind::Int8, Kind::Int4] {
            assert!(FactorizedEmbedding::from_bytes(quantised(kind, |_| ())).is_ok());
            let other = if kind == Kind::Int8 { "int4" } else { "int8" };
            let marks = [
                (SCHEME, json!(other)),
                (SCHEME, json!("int3")),
                (SCHEME, Value::Null),
                (VERSION, json!("2")),
                (VERSION, Value::Null),
                (WIDTH, json!("7")),
                (WIDTH, json!("9")),
                (WIDTH, json!("0")),
                (WIDTH, json!("99999999999999999999")),
                (WIDTH, Value::Null),
                (LAYOUT, json!("full")),
                (LAYOUT, json!("half")),
            ];
            for (key, value) in marks {
                let text = refused(quantised(kind, |header| {
                    let marks = header["__metadata__"].as_object_mut().expect("an object");
                    if value.is_null() {
                        marks.remove(key);
                    } else {
                        marks.insert(key.to_owned(), value.clone());
                    }
                }));
                let named =
                    text.contains(key) || text.contains(QUANTISED) || text.contains(PROJECTION);
                assert!(named, "{key} {value}: {text}");
            }
            let shapes = [
                (QUANTISED, json!([25, 16])),
                (QUANTISED, json!([1_u64 << 62, 8])),
                (QUANTISED, json!([50])),
                (SCALES, json!([25, 2])),
                (SCALES, json!([50])),
                (SCALES, json!([49, 1])),
            ];
            for (name, shape) in shapes {
                refused(quantised(kind, |header| header[name]["shape"] = shape));
            }
            for (name, dtype) in [(QUANTISED, "I16"), (QUANTISED, "BOOL"), (SCALES, "F16")] {
                refused(quantised(kind, |header| header[name]["dtype"] = json!(dtype)));
            }
            let wrong = if kind == Kind::Int8 { "U8" } else { "I8" };
            refused(quantised(kind, |header| header[QUANTISED]["dtype"] = json!(wrong)));
            let text = refused(quantised(kind, |header| {
                let entries = header.as_object_mut().expect("an object");
                let entry = entries.remove(SCALES).expect("there");
                entries.insert("other".to_owned(), entry);
            }));
            assert!(text.contains(SCALES), "{text}");
        }
    }

    #[test]
    fn two_tables_and_two_names_for_one_are_refused() {
        for other in
            [QUANTISED.to_owned(), format!("{PREFIX}{TABLE}"), format!("{PREFIX}{QUANTISED}")]
        {
            let text = refused(with_header(|header| {
                header[&other] = json!({"dtype": "U8", "shape": [0], "data_offsets": [0, 0]});
            }));
            assert!(text.contains("which one is meant"), "{text}");
        }
    }

    #[test]
    fn a_mapped_file_that_is_shortened_is_an_error_and_not_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("table.safetensors");
        embedding().save(&path).expect("saved");
        let loaded = FactorizedEmbedding::load(&path, true).expect("loaded");
        let before = vectors(&loaded);
        let file = fs::OpenOptions::new().write(true).open(&path).expect("there");
        let length = file.metadata().expect("there").len();
        file.set_len(length - 1).expect("shortened");
        let failures = [
            loaded.lookup(&[1], 1).map(drop),
            loaded.save(folder.path().join("other")),
            loaded.to_bytes().map(drop),
            loaded.factors().map(drop),
            loaded.quantize(Kind::Int8, 1).map(drop),
        ];
        for failure in failures {
            let text = failure.expect_err("the file is too short").to_string();
            assert!(text.contains("table.safetensors") && text.contains("shortened"), "{text}");
        }
        file.set_len(length).expect("lengthened");
        // The last byte of the last row is a zero now, as it was: the exponent of a small number.
        assert_eq!(vectors(&loaded)[..40], before[..40]);
    }

    #[test]
    fn files_cut_anywhere_are_refused() {
        let good = embedding().to_bytes().expect("memory");
        for length in (0..good.len()).step_by(13).chain([good.len() - 1]) {
            refused(good[..length].to_vec());
        }
        refused([&good[..], &[0; 1000]].concat());
        refused(vec![0; good.len()]);
        let good = quantised(Kind::Int4, |_| ());
        for length in (0..good.len()).step_by(13).chain([good.len() - 1]) {
            refused(good[..length].to_vec());
        }
    }

    #[test]
    fn headers_that_lie_about_their_length_are_refused() {
        let good = embedding().to_bytes().expect("memory");
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
