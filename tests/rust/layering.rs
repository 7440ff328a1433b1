//! The layers of the crate, held by reading its sources.
//!
//! A module imports from lower layers only, and inside layer 1 nothing imports a sibling. `PyO3`
//! and `NumPy` appear in the binding alone, `unsafe` in few files and for a reason, and no file
//! grows beyond what one reads in a sitting. Code under `mod tests` may look wherever it likes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What the data flows through, from the ground up.
const LAYERS: [&[&str]; 5] = [
    &["budget", "error", "files", "ids", "memory", "regex", "threads", "trie", "unicode"],
    &["normalize", "pretokenize", "model", "postprocess", "embed"],
    &["decode", "tokenizer"],
    &["train", "formats", "transfer", "text_embedder"],
    &["python"],
];

/// Edges inside a layer; there is none in layer 1.
const SIBLINGS: [(&str, &str); 10] = [
    ("budget", "error"),
    ("budget", "ids"),
    ("regex", "budget"),
    ("files", "error"),
    ("ids", "error"),
    ("regex", "error"),
    ("regex", "unicode"),
    ("threads", "error"),
    ("trie", "ids"),
    ("tokenizer", "decode"),
];

/// Files that may say `unsafe`, and why.
const UNSAFE: &[(&str, &str)] = &[
    ("embed/kernel.rs", "calls the kernels that the processor was found to have"),
    ("embed/kernel/avx2.rs", "vector instructions; safe twin beside it"),
    ("embed/kernel/avx512.rs", "vector instructions; safe twin beside it"),
    (
        "embed/kernel/rows.rs",
        "loops compiled for the instructions that the processor was found to have",
    ),
    ("embed/kernel/stream.rs", "stores past the caches; a copy is the twin"),
    ("embed/store.rs", "maps a file into memory"),
    ("embed/wide.rs", "calls the tiles that the processor was found to have"),
    ("embed/wide/x86.rs", "vector instructions; plain twin beside it"),
    ("memory.rs", "asks for lines of tables before they are read"),
    ("model/pieces/x86.rs", "vector instructions; plain twin beside it"),
    ("pretokenize/masks/x86.rs", "vector instructions; portable twin beside it"),
    ("python/call.rs", "a method that reads its arguments off the interpreter's stack"),
    ("python/embedding/recycle.rs", "arrays in memory that is used again"),
    ("python/arrow/export.rs", "ids in memory that numpy and Arrow share"),
    ("tokenizer/bert/machine.rs", "vector instructions; safe twin beside it"),
    ("python/arrow/ffi.rs", "the structs of the Arrow C data interface"),
    ("tokenizer/spaced/masks/x86.rs", "vector instructions; plain twin beside it"),
    ("unicode/utf8.rs", "text that a table of states found to be UTF-8"),
    ("python/buffer.rs", "texts in the memory of Python objects, memory maps above all"),
];

/// Files longer than [`MAX_LINES`], and why.
const LONG: [(&str, &str); 2] = [
    ("unicode/bert_tables.rs", "generated tables"),
    ("unicode/forms_tables.rs", "generated tables"),
];

const MAX_LINES: usize = 800;

/// A file of the crate: its path below `src`, with `/`, and its text.
struct Source {
    path: String,
    text: String,
}

#[test]
fn the_crate_keeps_its_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    assert!(sources.iter().any(|source| source.path == "lib.rs"), "found no sources");
    let found = violations(&sources);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|x| x.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|x| x == "rs") {
            let below = path.strip_prefix(root).unwrap();
            let parts: Vec<_> = below.iter().map(|x| x.to_str().unwrap()).collect();
            sources
                .push(Source { path: parts.join("/"), text: fs::read_to_string(&path).unwrap() });
        }
    }
}

/// Everything that breaks a rule, one line each.
fn violations(sources: &[Source]) -> Vec<String> {
    let exports = sources
        .iter()
        .find(|source| source.path == "lib.rs")
        .map(|source| exports(&tokens(&source.text)))
        .unwrap_or_default();
    let mut found = Vec::new();
    for Source { path, text } in sources {
        let lines = text.lines().count();
        if lines > MAX_LINES && !listed(&LONG, path) {
            found.push(format!("{path}: {lines} lines, at most {MAX_LINES}"));
        }
        let tokens = tokens(text);
        if tokens.iter().any(|token| token == "unsafe") && !listed(UNSAFE, path) {
            found.push(format!("{path}: `unsafe` in a file that is not on the list"));
        }
        let module = module_of(path);
        if module == "lib" {
            continue;
        }
        if module != "python" {
            for foreign in ["pyo3", "numpy"] {
                if tokens.iter().any(|token| token == foreign) {
                    found.push(format!("{path}: `{foreign}` outside the binding"));
                }
            }
        }
        let Some(layer) = layer_of(module) else {
            found.push(format!("{path}: module `{module}` has no layer"));
            continue;
        };
        for name in references(&tokens, path) {
            let target = exports.get(&name).map_or(name.as_str(), String::as_str);
            if target == module {
                continue;
            }
            match layer_of(target) {
                None => found.push(format!("{path}: `crate::{name}` has no layer")),
                Some(other) if other < layer || SIBLINGS.contains(&(module, target)) => {}
                Some(other) => found.push(format!(
                    "{path}: `{module}` (layer {layer}) uses `{target}` (layer {other})"
                )),
            }
        }
    }
    found.dedup();
    found
}

fn listed(list: &[(&str, &str)], path: &str) -> bool {
    list.iter().any(|(name, reason)| *name == path && !reason.is_empty())
}

/// The top-level module that a file belongs to.
fn module_of(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// What `lib.rs` re-exports: the name, and the module it comes from.
fn exports(tokens: &[String]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (i, window) in tokens.windows(4).enumerate() {
        if window[0] != "pub" || window[1] != "use" || window[3] != "::" {
            continue;
        }
        let end = tokens[i..].iter().position(|token| token == ";").map_or(tokens.len(), |x| i + x);
        for (j, token) in tokens[..end].iter().enumerate().skip(i + 4) {
            if is_name(token) && tokens.get(j + 1).is_none_or(|next| next != "::" && next != "as") {
                found.insert(token.clone(), window[2].clone());
            }
        }
    }
    found
}

/// The names directly below the crate's root that a file uses, outside of its tests.
fn references(tokens: &[String], path: &str) -> Vec<String> {
    let stem = path.rsplit('/').next().unwrap_or(path);
    if stem == "tests.rs" || path.contains("/tests/") {
        return Vec::new();
    }
    // How many `super` lead from the file to the root, and from a block inside it.
    let depth = path.split('/').count();
    let mut blocks: Vec<Block> = Vec::new();
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        match tokens[i].as_str() {
            "{" => {
                let name = (i >= 2 && tokens[i - 2] == "mod").then(|| tokens[i - 1].as_str());
                blocks.push(match name {
                    Some("tests") => Block::Tests,
                    Some(_) => Block::Module,
                    None => Block::Other,
                });
            }
            "}" => {
                blocks.pop();
            }
            "crate" | "super" if !blocks.contains(&Block::Tests) => {
                let inner = blocks.iter().filter(|block| **block == Block::Module).count();
                let mut supers = 0;
                let mut end = i;
                while tokens[end] == "super" && tokens.get(end + 1).is_some_and(|x| x == "::") {
                    supers += 1;
                    end += 2;
                }
                if tokens[i] == "crate" {
                    // `pub(crate)` has no `::` behind it.
                    end = i + if tokens.get(i + 1).is_some_and(|x| x == "::") { 2 } else { 1 };
                }
                if (tokens[i] == "crate" && end == i + 2) || (supers > 0 && supers >= depth + inner)
                {
                    names_at(tokens, end, &mut found);
                }
                i = end.max(i + 1);
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Tests,
    Module,
    Other,
}

/// The first names of the path, or of the group of paths, that starts at a token.
fn names_at(tokens: &[String], start: usize, found: &mut Vec<String>) {
    let Some(first) = tokens.get(start) else { return };
    if first != "{" {
        found.push(first.clone());
        return;
    }
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate().skip(start) {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return,
            "}" => depth -= 1,
            name if depth == 1 && is_name(name) && ["{", ","].contains(&&*tokens[i - 1]) => {
                found.push(name.to_owned());
            }
            _ => {}
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c == '_' || c.is_alphabetic()) && token != "self"
}

/// The names and marks of Rust code; comments, strings and characters are left out.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut found = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            i = block_comment_end(&chars, i);
        } else if c == '"' {
            i = string_end(&chars, i);
        } else if c == '\'' {
            // A lifetime has no closing quote behind its first character.
            if at(i + 1) == '\\' {
                i += 3;
                while i < chars.len() && chars[i] != '\'' {
                    i += 1;
                }
                i += 1;
            } else {
                i += if at(i + 2) == '\'' { 3 } else { 1 };
            }
        } else if c == '_' || c.is_alphabetic() {
            let start = i;
            while at(i) == '_' || at(i).is_alphanumeric() {
                i += 1;
            }
            let word: String = chars[start..i].iter().collect();
            let hashes = chars[i..].iter().take_while(|x| **x == '#').count();
            if ["r", "br", "cr"].contains(&&*word) && at(i + hashes) == '"' {
                i = raw_string_end(&chars, i + hashes + 1, hashes);
            } else {
                found.push(word);
            }
        } else if c == ':' && at(i + 1) == ':' {
            found.push("::".to_owned());
            i += 2;
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            i += 1;
        }
    }
    found
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut i = start;
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => (depth, i) = (depth + 1, i + 2),
            ('*', '/') if depth == 1 => return i + 2,
            ('*', '/') => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn raw_string_end(chars: &[char], start: usize, hashes: usize) -> usize {
    let closes = |i: usize| {
        chars[i] == '"' && (1..=hashes).all(|k| chars.get(i + k).is_some_and(|x| *x == '#'))
    };
    (start..chars.len()).find(|&i| closes(i)).map_or(chars.len(), |i| i + hashes + 1)
}

/// The rules applied to one made-up file beside a made-up `lib.rs`.
fn check(path: &str, text: &str) -> Vec<String> {
    let lib = "pub use tokenizer::{Encoding, Tokenizer};\npub use error::Error;\n";
    violations(&[
        Source { path: "lib.rs".to_owned(), text: lib.to_owned() },
        Source { path: path.to_owned(), text: text.to_owned() },
    ])
}

#[test]
fn a_forbidden_edge_is_caught() {
    for (path, text) in [
        ("model.rs", "use crate::tokenizer::Tokenizer;"),
        ("model/bpe.rs", "use crate::{error::Error, train::Counts};"),
        ("model/bpe.rs", "fn f() { let x = crate::formats::load(); }"),
        ("model/bpe.rs", "use super::super::formats::load;"),
        ("normalize.rs", "use super::pretokenize::Splitter;"),
        ("normalize.rs", "mod inner { use super::super::model::Vocab; }"),
        ("embed.rs", "use crate::Tokenizer;"),
        ("embed.rs", "use crate::model::Vocab;"),
        ("decode.rs", "use crate::tokenizer::Encoding;"),
        ("ids.rs", "use crate::unicode::class;"),
        ("tokenizer.rs", "use crate::helpers::all;"),
        ("helpers.rs", "use crate::error::Error;"),
    ] {
        let found = check(path, text);
        assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
    }
}

#[test]
fn what_is_allowed_passes() {
    for (path, text) in [
        ("model.rs", "use crate::{Error, ids::{Pair, TokenId}, unicode::class};"),
        ("model/bpe.rs", "use super::Vocab; pub(crate) fn f() {}"),
        ("model.rs", "// crate::train\n/* crate::train /* nested */ */ fn f<'a>(x: &'a str) {}"),
        ("model.rs", r##"const A: &str = "crate::train"; const B: &str = r#"crate::"train"#;"##),
        ("model.rs", r#"const C: [char; 3] = ['"', '\'', '\u{22}']; use crate::ids::Pair;"#),
        ("model.rs", "#[cfg(test)] mod tests { use crate::train::Counts; fn f() { {} } }"),
        ("model/tests.rs", "use crate::train::Counts;"),
        ("model.rs", "mod inner { use super::Vocab; }"),
        ("tokenizer.rs", "use crate::decode::Decoder;"),
        ("python/arrays.rs", "use numpy::PyArray1; use crate::train::Counts;"),
    ] {
        assert_eq!(check(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn python_unsafe_and_length_are_caught() {
    assert_eq!(check("model.rs", "use pyo3::prelude::*;").len(), 1);
    assert_eq!(check("model.rs", "fn f(x: numpy::Array) {}").len(), 1);
    assert_eq!(check("model.rs", "fn f() { unsafe { g() } }").len(), 1);
    assert_eq!(check("embed/store.rs", "fn f() { unsafe { g() } }").len(), 0);
    assert_eq!(check("model.rs", "// unsafe\n#![forbid(unsafe_code)]").len(), 0);
    assert_eq!(check("model.rs", &"\n".repeat(MAX_LINES)).len(), 0);
    assert_eq!(check("model.rs", &"\n".repeat(MAX_LINES + 1)).len(), 1);
}
