//! Embedding stages on disk: safetensors files of the models that have one.

// What is read is found by its name's end, so that it does not matter which model wrote it and under
// which prefix. What the names do not say (epsilon, how positions are counted) stands in the metadata of
// our own files and in the `config.json` beside those of `transformers`. Where a number that
// matters stands nowhere, it is asked for and not guessed.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use safetensors::SafeTensors;
use safetensors::tensor::Metadata;
use serde_json::Value;

use super::super::factorized::{FactorizedEmbedding, check_sizes};
use super::super::kernel::Panels;
use super::super::kind::Kind;
use super::super::store::{
    ALIGNMENT, BIAS, FORMAT, Header, LAYOUT, PROJECTION, STAGE, TABLE, Tensor, in_memory, missing,
    open,
};
use super::super::table::{Bytes, Layout, Table};
use super::{AlbertEmbeddings, AlbertParts, AlbertWords, LAYER_NORM_EPS, WordTable};
use crate::error::{Error, Result};
use crate::files;
use crate::ids::TokenId;

const POSITIONS: &str = "embeddings.position_embeddings.weight";
const TYPES: &str = "embeddings.token_type_embeddings.weight";
const GAMMA: &str = "embeddings.LayerNorm.weight";
const BETA: &str = "embeddings.LayerNorm.bias";
/// What TensorFlow calls them; the oldest files of BERT do too.
const OLD_GAMMA: &str = "embeddings.LayerNorm.gamma";
const OLD_BETA: &str = "embeddings.LayerNorm.beta";
/// The names of the projection: of ALBERT and `RemBERT`, and of ELECTRA.
const PROJECTIONS: [(&str, &str); 2] =
    [(PROJECTION, BIAS), ("embeddings_project.weight", "embeddings_project.bias")];

/// Keys of our metadata, beside the layout.
const EPS: &str = "subtok.layer_norm_eps";
const PADDING: &str = "subtok.position_padding_id";

/// Models whose positions count from behind the padding id, and that id where no file says it.
const PADDED: [&str; 4] = ["roberta", "xlm-roberta", "camembert", "mpnet"];
const PADDED_ID: TokenId = 1;

/// No configuration is longer than this.
const CONFIG_BYTES: u64 = 4 << 20;

/// How [`AlbertEmbeddings::load`] reads a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlbertOptions {
    /// Leave the word table in the file, and map it.
    pub mmap: bool,
    /// Instead of what the file, or the configuration beside it, says.
    pub layer_norm_eps: Option<f64>,
    /// Likewise: see [`AlbertParts::position_padding_id`].
    pub position_padding_id: Option<TokenId>,
}

impl Default for AlbertOptions {
    fn default() -> Self {
        Self { mmap: true, layer_norm_eps: None, position_padding_id: None }
    }
}

/// What files say beside tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Settings {
    eps: Option<f64>,
    padding: Option<TokenId>,
}

impl AlbertEmbeddings {
    /// Reads the embedding stage of a model: a safetensors file with the names that `transformers` gives
    /// to ALBERT, `RemBERT`, ELECTRA, BERT, `DistilBERT`, `RoBERTa` or `MPNet`, under any prefix; or a
    /// folder with such a `model.safetensors`. Other tensors are left alone. Numbers may be of 32 or 16
    /// bits; without token types there is one, of zeros.
    ///
    /// Epsilon and `RoBERTa`'s way to count positions are those of `options`, else of the file's metadata,
    /// else of the `config.json` in the same folder, else what the names say: `RoBERTa`'s padding id is
    /// 1; epsilon is [`LAYER_NORM_EPS`], but for `RoBERTa`, whose models differ: there it must be given.
    ///
    /// See [`FactorizedEmbedding::load`] on `mmap`.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read, [`Error::Format`] when it is not such a file,
    /// [`Error::Unsupported`] for positions that are not added to words.
    pub fn load(path: impl AsRef<Path>, options: &AlbertOptions) -> Result<Self> {
        let path = path.as_ref();
        let inner = path.join("model.safetensors");
        let path = if path.is_dir() { inner.as_path() } else { path };
        let bytes = open(path, options.mmap).map_err(|source| Error::io("read", path, source))?;
        let config = path.with_file_name("config.json");
        // The configuration's own errors have its name already.
        Self::parse(bytes, options, Some(&config)).map_err(|error| error.in_file(path))
    }

    /// The stage in the bytes of a file: see [`Self::load`].
    ///
    /// # Errors
    /// [`Error::Format`].
    pub fn from_bytes(bytes: Vec<u8>, options: &AlbertOptions) -> Result<Self> {
        Self::parse(Bytes::Read(bytes), options, None)
    }

    /// Writes a safetensors file that `AlbertModel.load_state_dict` takes (without a projection:
    /// `BertEmbeddings`' part of it). The file appears under its name when it is complete.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] when the file that the rows lie in was shortened.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.table().check()?;
        files::write_atomically(path.as_ref(), |out| self.write(out))
    }

    /// The bytes of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// [`Error::Format`] when the file that the rows lie in was shortened, [`Error::Argument`] when
    /// memory does not suffice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.table().check()?;
        in_memory("the size of the stage", 0, |out| self.write(out))
    }

    fn parse(file: Bytes, options: &AlbertOptions, config: Option<&Path>) -> Result<Self> {
        let (header, metadata) = SafeTensors::read_metadata(file.as_ref())
            .map_err(|error| Error::format(FORMAT, "", error.to_string()))?;
        let names = Names { prefix: prefix(&metadata)?, metadata: &metadata, start: 8 + header };
        let settings = names.settings(options, config)?;
        let words = names.needed(&[TABLE])?;
        let [vocab_size, width] = words.shape()?;
        let rows = |tensor: &Tensor| match tensor.shape()? {
            [_, columns] if columns == width => tensor.decode(file.as_ref()),
            [_, columns] => Err(misfit(tensor, columns, width)),
        };
        let numbers = |tensor: &Tensor, width: usize| match tensor.shape()? {
            [count] if count == width => tensor.decode(file.as_ref()),
            [count] => Err(misfit(tensor, count, width)),
        };
        let positions = rows(&names.needed(&[POSITIONS])?)?;
        let types = match names.find(TYPES)? {
            Some(tensor) => rows(&tensor)?,
            None => vec![0.0; width],
        };
        let gamma = numbers(&names.needed(&[GAMMA, OLD_GAMMA])?, width)?;
        let beta = numbers(&names.needed(&[BETA, OLD_BETA])?, width)?;
        let bad = |error: Error| Error::format(FORMAT, "", error.to_string());
        let mut projection = None;
        for (weight, bias) in PROJECTIONS {
            let Some(weight) = names.find(weight)? else { continue };
            let [hidden_dim, columns] = weight.shape()?;
            if columns != width {
                return Err(misfit(&weight, columns, width));
            }
            check_sizes(vocab_size, width, hidden_dim).map_err(bad)?;
            let values = weight.decode(file.as_ref())?;
            super::finite("it", &values)
                .map_err(|error| Error::format(FORMAT, weight.name, error.to_string()))?;
            let bias = names.find(bias)?.map(|bias| numbers(&bias, hidden_dim)).transpose()?;
            let panels = Panels::pack(width, hidden_dim, |k, j| values[j * width + k]);
            projection = Some((panels, bias));
            break;
        }
        check_sizes(vocab_size, width, width).map_err(bad)?;
        let layout = Layout { kind: words.kind()?, values: words.range, scales: 0..0 };
        let table = Table::stored(file, layout, width);
        let words = match projection {
            None => AlbertWords::Whole(WordTable(Arc::new(table))),
            Some((panels, bias)) => {
                let factors = FactorizedEmbedding::from_parts(table, panels, bias, None)?;
                AlbertWords::Projected(Arc::new(factors))
            }
        };
        Self::new(AlbertParts {
            words,
            positions,
            types,
            gamma,
            beta,
            layer_norm_eps: settings.eps.unwrap_or(LAYER_NORM_EPS),
            position_padding_id: settings.padding,
        })
        .map_err(bad)
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (width, parts) = (self.embedding_dim(), &self.parts);
        let zeros;
        let projection = self.plain();
        let mut small: Vec<(&str, Vec<usize>, &[f32])> = vec![
            (POSITIONS, vec![self.positions(), width], &parts.positions),
            (TYPES, vec![self.types(), width], &parts.types),
            (GAMMA, vec![width], &parts.gamma),
            (BETA, vec![width], &parts.beta),
        ];
        let mut turned = Vec::new();
        if let Some(factors) = &projection {
            let hidden = factors.hidden_dim();
            let cell = |index: usize| factors.projection.get(index % width, index / width);
            turned = (0..hidden * width).map(cell).collect();
            small.push((PROJECTION, vec![hidden, width], &turned));
            // `torch.nn.Linear` of ALBERT has one.
            zeros = vec![0.0; hidden];
            small.push((BIAS, vec![hidden], factors.bias.as_ref().unwrap_or(&zeros)));
        }
        debug_assert_eq!(turned.is_empty(), projection.is_none());
        let table = self.table();
        // A quantised table is written as the numbers that it stands for: nobody else reads its form.
        let (kind, size) = match table.kind() {
            Kind::F16 => ("F16", 2),
            Kind::Bf16 => ("BF16", 2),
            Kind::F32 | Kind::Int8 | Kind::Int4 => ("F32", 4),
        };
        let mut begin = 0;
        let mut entries = serde_json::Map::new();
        let mut said = serde_json::Map::new();
        said.insert("format".to_owned(), "pt".into());
        said.insert(LAYOUT.to_owned(), STAGE.into());
        said.insert(EPS.to_owned(), self.layer_norm_eps().to_string().into());
        if let Some(id) = self.position_padding_id() {
            said.insert(PADDING.to_owned(), id.to_string().into());
        }
        entries.insert("__metadata__".to_owned(), said.into());
        let mut entry = |name: &str, kind: &str, shape: Value, bytes: usize| {
            let offsets = [begin, begin + bytes];
            begin += bytes;
            let value = serde_json::json!({"dtype": kind, "shape": shape, "data_offsets": offsets});
            entries.insert(name.to_owned(), value);
        };
        for (name, shape, values) in &small {
            entry(name, "F32", shape.clone().into(), 4 * values.len());
        }
        // The table comes last: its numbers may be of 16 bits, and nothing behind it is out of step.
        let bytes = table.rows() * width * size;
        entry(TABLE, kind, vec![table.rows(), width].into(), bytes);
        let mut header = Value::from(entries).to_string();
        while !(8 + header.len()).is_multiple_of(ALIGNMENT) {
            header.push(' ');
        }
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        for (_, _, values) in &small {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            out.write_all(&bytes)?;
        }
        if !matches!(table.kind(), Kind::Int8 | Kind::Int4) {
            return table.write(|bytes| out.write_all(bytes));
        }
        let mut row = vec![0.0; width];
        for id in 0..table.rows() {
            table.copy_row(id, &mut row);
            let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
            out.write_all(&bytes)?;
        }
        Ok(())
    }
}

/// The tensors of a file under one prefix.
struct Names<'a> {
    prefix: String,
    metadata: &'a Metadata,
    start: usize,
}

impl Names<'_> {
    fn find(&self, name: &str) -> Result<Option<Tensor>> {
        let name = format!("{}{name}", self.prefix);
        // Asked for by its full name, and under no other.
        if self.metadata.info(&name).is_none() {
            return Ok(None);
        }
        Header { metadata: self.metadata, start: self.start }.find(&name)
    }

    /// The tensor under the first of these names that the file has.
    fn needed(&self, names: &[&str]) -> Result<Tensor> {
        for name in names {
            if let Some(tensor) = self.find(name)? {
                return Ok(tensor);
            }
        }
        Err(missing(&format!("{}{}", self.prefix, names.first().unwrap_or(&""))))
    }

    /// What the options say, else our metadata, else the configuration, else the names.
    fn settings(&self, options: &AlbertOptions, config: Option<&Path>) -> Result<Settings> {
        options.layer_norm_eps.map_or(Ok(()), super::check_eps)?;
        let mut settings =
            Settings { eps: options.layer_norm_eps, padding: options.position_padding_id };
        let said = self.metadata.metadata().as_ref();
        if let Some(layout) = said.and_then(|said| said.get(LAYOUT)) {
            if layout != STAGE {
                return Err(unreadable(LAYOUT, layout));
            }
            let key = |key: &'static str| said.and_then(|said| Some((key, said.get(key)?)));
            if let Some((key, text)) = key(EPS) {
                let eps = text.parse().map_err(|_| unreadable(key, text))?;
                settings.eps = settings.eps.or(Some(eps));
            }
            if let Some((key, text)) = key(PADDING) {
                let padding = text.parse().map_err(|_| unreadable(key, text))?;
                settings.padding = settings.padding.or(Some(padding));
            }
            return Ok(settings);
        }
        let named = |part: &str| PADDED.contains(&part);
        let mut padded = self.prefix.split('.').any(named);
        if let Some(path) = config
            && path.is_file()
        {
            let found = Config::read(path)?;
            settings.eps = settings.eps.or(found.eps);
            if let Some(padding) = found.padding {
                settings.padding = settings.padding.or(Some(padding));
            }
            padded &= found.padding.is_none() && !found.named;
        }
        if padded {
            settings.padding = settings.padding.or(Some(PADDED_ID));
            if settings.eps.is_none() {
                let problem = format!(
                    "the file does not say which epsilon LayerNorm has, and models of this kind differ \
                     (the released RoBERTa has 1e-5, a new configuration 1e-12): give layer_norm_eps, or \
                     put the model's config.json beside the file (prefix `{}`)",
                    self.prefix
                );
                return Err(Error::format(FORMAT, "", problem));
            }
        }
        Ok(settings)
    }
}

/// What a `config.json` of `transformers` says about the stage.
#[derive(Debug, Default)]
struct Config {
    eps: Option<f64>,
    padding: Option<TokenId>,
    /// Whether it names a kind of model.
    named: bool,
}

impl Config {
    fn read(path: &Path) -> Result<Self> {
        let refused = |source| Error::io("read", path, source);
        if fs::metadata(path).map_err(refused)?.len() > CONFIG_BYTES {
            let problem = format!("longer than {CONFIG_BYTES} bytes");
            return Err(Error::format("config.json", "", problem).in_file(path));
        }
        let text = fs::read(path).map_err(refused)?;
        Self::parse(&text).map_err(|error| error.in_file(path))
    }

    fn parse(text: &[u8]) -> Result<Self> {
        let bad = |place: &str, problem: String| Error::format("config.json", place, problem);
        let value: Value =
            serde_json::from_slice(text).map_err(|error| bad("", error.to_string()))?;
        let field = |name: &str| value.get(name).filter(|value| !value.is_null());
        let mut config = Self::default();
        if let Some(eps) = field("layer_norm_eps") {
            let number = eps.as_f64();
            config.eps =
                Some(number.ok_or_else(|| bad("layer_norm_eps", format!("{eps} is no number")))?);
        }
        let kind = field("model_type").and_then(Value::as_str);
        config.named = kind.is_some();
        if kind.is_some_and(|kind| PADDED.contains(&kind)) {
            let id = field("pad_token_id").and_then(Value::as_u64).map(TokenId::try_from);
            config.padding = Some(id.and_then(std::result::Result::ok).unwrap_or(PADDED_ID));
        }
        match field("position_embedding_type").and_then(Value::as_str) {
            None | Some("absolute") => Ok(config),
            Some(other) => Err(Error::unsupported(
                format!("positions of type {other:?}, which are not added to words"),
                "position_embedding_type",
            )),
        }
    }
}

/// What stands before the names: that of the one word table.
fn prefix(metadata: &Metadata) -> Result<String> {
    let mut found: Vec<String> = Vec::new();
    for name in metadata.offset_keys() {
        if let Some(prefix) = name.strip_suffix(TABLE)
            && (prefix.is_empty() || prefix.ends_with('.'))
        {
            found.push(prefix.to_owned());
        }
    }
    match <[String; 1]>::try_from(found) {
        Ok([prefix]) => Ok(prefix),
        Err(found) if found.is_empty() => Err(missing(TABLE)),
        Err(mut found) => {
            found.sort();
            let problem = format!(
                "`{TABLE}` is there under {} prefixes: `{}`",
                found.len(),
                found.join("`, `")
            );
            Err(Error::format(FORMAT, "", problem))
        }
    }
}

fn misfit(tensor: &Tensor, given: usize, wanted: usize) -> Error {
    let problem = format!("{given} numbers do not fit {wanted}");
    Error::format(FORMAT, tensor.name.clone(), problem)
}

fn unreadable(key: &str, text: &str) -> Error {
    Error::format(
        FORMAT,
        format!("__metadata__.{key}"),
        format!("{text:?} is not what stands there"),
    )
}
