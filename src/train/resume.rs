//! Counting that goes on after a crash: what was counted of files that were read to their end is in a
//! folder.
//!
//! ```text
//! counting.json   how words are counted, and which files each run holds
//! N.run           words and counts
//! lock            held by the process that counts
//! ```

// A run is complete before `counting.json` names it, and both are written under another name first. So
// whatever ends a process, the folder holds files that were counted, each once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::TextInput;
use super::counter::{Counted, Counter};
use super::feed::{Part, Source};
use super::run::{self, Run};
use crate::error::{Error, Result};
use crate::files::write_atomically;

const STATE: &str = "counting.json";
const LOCK: &str = "lock";

/// How a file looks from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// Its length.
    pub(crate) bytes: u64,
    /// When it was changed last, in nanoseconds since 1970.
    changed: u64,
}

impl Stamp {
    /// # Errors
    /// [`Error::Io`] when it cannot be looked at, or is a folder.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let about = path.metadata().map_err(|error| Error::io("read", path, error))?;
        if about.is_dir() {
            return Err(Error::io("read", path, io::ErrorKind::IsADirectory.into()));
        }
        let changed = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let changed = changed.and_then(|time| u64::try_from(time.as_nanos()).ok()).unwrap_or(0);
        Ok(Self { bytes: about.len(), changed })
    }
}

/// What must be the same for counts to go on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct How {
    pretokenizer: String,
    normalizer: String,
    unicode: String,
    version: String,
    special_tokens: Vec<String>,
    reading: String,
    /// Names of sources with their caps.
    sources: Vec<(String, Option<u64>)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    how: How,
    units: Vec<Unit>,
}

impl State {
    /// None where sums have more than 64 bits, or tokens no number.
    fn check(&self) -> Option<()> {
        let mut sums = [0_u64; 5];
        let mut found = vec![0_u64; self.how.special_tokens.len()];
        for unit in &self.units {
            let all = [unit.documents, unit.bytes, unit.replaced, unit.taken, unit.file_bytes];
            for (sum, number) in sums.iter_mut().zip(all) {
                *sum = sum.checked_add(number).filter(|&sum| sum < 1 << 63)?;
            }
            if unit.found.len() != found.len() {
                return None;
            }
            for (sum, number) in found.iter_mut().zip(&unit.found) {
                *sum = sum.checked_add(*number).filter(|&sum| sum < 1 << 63)?;
            }
        }
        Some(())
    }
}

/// Files that were counted together.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unit {
    source: String,
    run: String,
    inputs: Vec<TextInput>,
    stamps: Vec<Stamp>,
    documents: u64,
    bytes: u64,
    replaced: u64,
    found: Vec<u64>,
    taken: u64,
    ended: bool,
    file_bytes: u64,
}

/// What was counted of a source before.
#[derive(Default)]
pub(crate) struct Before {
    pub(crate) inputs: Vec<TextInput>,
    pub(crate) counted: Vec<Counted>,
    /// Bytes that count for its cap, and whether that was reached.
    pub(crate) taken: u64,
    pub(crate) ended: bool,
    pub(crate) file_bytes: u64,
}

/// The folder.
pub(crate) struct Resume {
    folder: PathBuf,
    state: State,
    /// Held until the end.
    _lock: File,
}

impl Resume {
    /// Opens a folder, or makes it.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses; [`Error::Training`] when another process counts there, when
    /// it holds what was counted in another way, or when a source is no file; [`Error::Format`] when it is
    /// damaged.
    pub(crate) fn open<E>(
        folder: &Path,
        counter: &Counter,
        sources: &[Source<'_, E>],
    ) -> Result<Self> {
        let failed = |error| Error::io("make the folder", folder, error);
        fs::create_dir_all(folder).map_err(failed)?;
        let path = folder.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| Error::io("open", &path, error))?;
        if let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
            let problem = format!("another process counts in the folder {}", folder.display());
            return Err(Error::training(problem));
        }
        for part in sources.iter().flat_map(|source| &source.parts) {
            if part.path.is_none() {
                let problem = format!("only files can be resumed, and there is {}", part.name);
                return Err(Error::training(problem));
            }
        }
        let about = counter.manifest();
        let how = How {
            pretokenizer: about.pretokenizer.clone(),
            normalizer: about.normalizer.clone(),
            unicode: about.unicode.clone(),
            version: about.version.clone(),
            special_tokens: counter.special_tokens().to_vec(),
            reading: counter.reading(),
            sources: sources
                .iter()
                .map(|source| (source.about.name.clone(), source.about.max_bytes))
                .collect(),
        };
        let state = match read(&folder.join(STATE))? {
            None => State { how, units: Vec::new() },
            Some(state) if state.how == how => {
                state.check().ok_or_else(|| {
                    let problem = "numbers that do not fit together".to_owned();
                    Error::format("state of counting", "units", problem)
                        .in_file(&folder.join(STATE))
                })?;
                state
            }
            Some(state) => {
                let problem = format!(
                    "the folder {} holds what was counted in another way: {:?}, now {how:?}",
                    folder.display(),
                    state.how
                );
                return Err(Error::training(problem));
            }
        };
        let resume = Self { folder: folder.to_owned(), state, _lock: lock };
        resume.clear();
        Ok(resume)
    }

    /// Removes what a process left that was ended while it wrote. What cannot be removed does no harm.
    fn clear(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let is = |end: &str| path.extension().is_some_and(|other| other == end);
            let run = is("run") && self.state.units.iter().all(|unit| unit.run != name);
            if run || (name.starts_with(".subtok-") && is("tmp")) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// What was counted of a source; the parts that it covers are taken out of `parts`.
    ///
    /// # Errors
    /// [`Error::Training`] when a file changed since, or is not among the parts any more.
    pub(crate) fn take<E>(&self, source: &str, parts: &mut Vec<Part<'_, E>>) -> Result<Before> {
        let mut before = Before::default();
        let mut done: BTreeMap<&str, Vec<&Stamp>> = BTreeMap::new();
        for unit in self.state.units.iter().filter(|unit| unit.source == source) {
            for (input, stamp) in unit.inputs.iter().zip(&unit.stamps) {
                done.entry(&input.name).or_default().push(stamp);
            }
            before.inputs.extend_from_slice(&unit.inputs);
            before.taken = before.taken.saturating_add(unit.taken);
            before.file_bytes = before.file_bytes.saturating_add(unit.file_bytes);
            before.ended |= unit.ended;
            before.counted.push(Counted {
                runs: vec![Run::Kept(self.folder.join(&unit.run))],
                documents: unit.documents,
                bytes: unit.bytes,
                replaced: unit.replaced,
                found: unit.found.clone(),
            });
        }
        let told = |name: &str, problem: &str| {
            let folder = self.folder.display();
            Error::training(format!("{name} {problem} it was counted in the folder {folder}"))
        };
        let mut left = Vec::new();
        for part in parts.drain(..) {
            let Some(stamp) = done.get_mut(part.name.as_str()).and_then(Vec::pop) else {
                left.push(part);
                continue;
            };
            let now = part.path.as_deref().map(Stamp::of).transpose()?;
            if now.as_ref() != Some(stamp) {
                return Err(told(&part.name, "changed since"));
            }
        }
        *parts = left;
        match done.iter().find(|(_, stamps)| !stamps.is_empty()) {
            Some((name, _)) => Err(told(name, "is not to be counted any more, and")),
            None => Ok(before),
        }
    }

    /// Writes down what was counted; its runs are those on disk then.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub(crate) fn save(
        &mut self,
        source: &str,
        counted: &mut Counted,
        inputs: &[TextInput],
        stamps: Vec<Option<Stamp>>,
        (taken, ended, file_bytes): (u64, bool, u64),
    ) -> Result<()> {
        let run = format!("{}.run", self.state.units.len());
        let path = self.folder.join(&run);
        write_atomically(&path, |out| {
            run::write(&counted.runs, &path, out).map_err(io::Error::other)
        })?;
        counted.runs = vec![Run::Kept(path)];
        self.state.units.push(Unit {
            source: source.to_owned(),
            run,
            inputs: inputs.to_vec(),
            stamps: stamps.into_iter().flatten().collect(),
            documents: counted.documents,
            bytes: counted.bytes,
            replaced: counted.replaced,
            found: counted.found.clone(),
            taken,
            ended,
            file_bytes,
        });
        let path = self.folder.join(STATE);
        write_atomically(&path, |out| {
            serde_json::to_writer(&mut *out, &self.state).map_err(io::Error::from)
        })
    }
}

fn read(path: &Path) -> Result<Option<State>> {
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(error) => return Err(Error::io("read", path, error)),
    }
    let bytes = crate::files::read(path)?;
    let bad = |problem: String| Error::format("state of counting", "", problem).in_file(path);
    let state: State = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    for (number, unit) in state.units.iter().enumerate() {
        if unit.run != format!("{number}.run") || unit.inputs.len() != unit.stamps.len() {
            return Err(bad(format!("units[{number}] does not fit together")));
        }
    }
    Ok(Some(state))
}
