use std::cell::Cell;
use std::fs;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::error::ErrorKind;
use crate::normalize::BertNormalizer;

thread_local! {
    /// How many more threads the system gives to this one.
    pub(super) static STARTS: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn go(_: Phase, _: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn counter(name: &str, threads: usize) -> Counter {
    let normalizer = (name == "bert").then_some(Normalizer::Bert(BertNormalizer {
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: None,
        lowercase: true,
    }));
    let pre_tokenizer = PreTokenizer::by_name(name).unwrap();
    Counter::new(normalizer, &pre_tokenizer, Manifest::default(), Some(threads)).unwrap()
}

fn words(counts: &Counts) -> Vec<(String, u64)> {
    counts.iter().map(|(word, count)| (String::from_utf8_lossy(word).into(), count)).collect()
}

/// Counts files of these contents.
fn count_files(counter: &Counter, files: &[(&str, &[u8])]) -> Result<Counts> {
    let folder = TempDir::new().unwrap();
    let paths: Vec<_> = files.iter().map(|(name, _)| folder.path().join(name)).collect();
    for (path, (_, content)) in paths.iter().zip(files) {
        fs::write(path, content).unwrap();
    }
    counter.count_files(&paths, &mut go)
}

fn text() -> impl Strategy<Value = String> {
    let parts = [
        " ", "  ", "\n", "\n\n", "\r\n", "\t", "a", "b's ", "Word", "1", "12345", "!", "!\n", "/",
        "é", "e\u{301}", "中", "。\n", "\u{3000}", "\u{85}", "'", "'ll", "Ǆ", "\u{301}",
    ];
    vec(proptest::sample::select(parts.to_vec()), 0..120).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Chunks have 16 bytes here, so a text is cut wherever it may be.
    #[test]
    fn a_file_counts_as_one_document_however_it_is_cut(text in text()) {
        for name in ["gpt2", "cl100k_base", "qwen2", "o200k_base", "bert", " ?[^ ]+| "] {
            let counter = counter(name, 2);
            let uncut = Counter { cuts: Cuts::default(), ..counter.clone() };
            let whole = uncut.count_texts([text.as_str()]).unwrap();
            let long = counter.count_texts([text.as_str()]).unwrap();
            prop_assert_eq!(&long, &whole, "{}", name);
            let file = count_files(&counter, &[("a.txt", text.as_bytes())]).unwrap();
            prop_assert_eq!(words(&file), words(&whole), "{}", name);
            let about = file.manifest();
            prop_assert_eq!((about.documents <= 1, about.bytes), (true, text.len() as u64));
        }
    }

    #[test]
    fn neither_threads_nor_order_nor_batches_change_anything(texts in vec(text(), 0..20)) {
        let one = counter("cl100k_base", 1).count_texts(texts.iter().map(String::as_str)).unwrap();
        let backwards = texts.iter().rev().map(String::as_str);
        prop_assert_eq!(&counter("cl100k_base", 3).count_texts(backwards).unwrap(), &one);
        let lines: Vec<String> =
            texts.iter().map(|text| serde_json::json!({ "id": 1, "text": text }).to_string()).collect();
        let file = count_files(
            &counter("cl100k_base", 2),
            &[("a.jsonl", lines.join("\n").as_bytes())],
        ).unwrap();
        prop_assert_eq!(words(&file), words(&one));
        prop_assert_eq!(file.manifest().documents, texts.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Tables have room for nothing here, and three files are read side by side.
    #[test]
    fn a_bound_of_memory_changes_nothing(
        texts in vec(text(), 0..30), limit in 1 << 10..4_usize << 10, threads in 1..4_usize,
    ) {
        let parent = TempDir::new().unwrap();
        let free = counter("gpt2", threads);
        let bound = free.clone().with_memory_limit(limit, Some(parent.path())).unwrap();
        let texts = || texts.iter().map(String::as_str);
        prop_assert_eq!(bound.count_texts(texts()).unwrap(), free.count_texts(texts()).unwrap());
        prop_assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_cap_takes_what_fits_in_lines(lines in vec("[a-c ]{0,9}\n", 0..40), most in 0..200_usize) {
        let text = lines.concat();
        let mut want = 0;
        for line in &lines {
            if want + line.len() > most {
                break;
            }
            want += line.len();
        }
        for threads in [1, 3] {
            let counter = counter("gpt2", threads);
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("a.txt");
            fs::write(&path, &text).unwrap();
            let about = TextSource { max_bytes: Some(most as u64), ..TextSource::unnamed() };
            let parts = vec![InputPart::plain(&path, &counter)];
            let source = Source { about, parts };
            let counts = feed::count::<Error>(&counter, vec![source], None, &mut |_, _, _| Ok(()));
            let counts = counts.unwrap();
            let whole = most >= text.len();
            prop_assert_eq!(counts.manifest().bytes, want as u64);
            prop_assert_eq!(words(&counts), words(&counter.count_texts([&text[..want]]).unwrap()));
            let inputs = &counts.manifest().sources[0].inputs;
            prop_assert!(inputs.iter().all(|input| input.digest.is_some() == whole));
        }
    }

    /// Here 100 bytes of files are counted before something is written down.
    #[test]
    fn what_was_written_down_is_not_read_again(
        texts in vec(text(), 1..12), first in 0..12_usize, limit in any::<bool>(),
    ) {
        let folder = TempDir::new().unwrap();
        let state = folder.path().join("state");
        let paths: Vec<PathBuf> =
            (0..texts.len()).map(|number| folder.path().join(format!("{number}.txt"))).collect();
        for (path, text) in paths.iter().zip(&texts) {
            fs::write(path, text).unwrap();
        }
        let mut counter = counter("gpt2", 2).with_special_tokens(&["a".to_owned()]).unwrap();
        let want = counter.count_files(&paths, &mut go).unwrap();
        if limit {
            counter = counter.with_memory_limit(1 << 12, Some(folder.path())).unwrap();
        }
        let count = |paths: &[PathBuf]| {
            let parts = paths.iter().map(|path| InputPart::plain(path, &counter)).collect();
            let source = Source { parts, ..Source::new(TextSource::unnamed()) };
            feed::count::<Error>(&counter, vec![source], Some(&state), &mut |_, _, _| Ok(()))
        };
        count(&paths[..first.min(paths.len())]).unwrap();
        prop_assert_eq!(&count(&paths).unwrap(), &want);
        prop_assert_eq!(&count(&paths).unwrap(), &want);
    }
}

#[test]
fn a_failure_leaves_what_was_written_down() {
    let folder = TempDir::new().unwrap();
    let state = folder.path().join("state");
    let paths: Vec<PathBuf> =
        (0..8).map(|number| folder.path().join(format!("{number}.txt"))).collect();
    for path in &paths {
        fs::write(path, "some words ".repeat(8)).unwrap();
    }
    fs::write(&paths[5], b"\xFF").unwrap();
    let counter = counter("gpt2", 2);
    let count = || {
        let parts = paths.iter().map(|path| InputPart::plain(path, &counter)).collect();
        let source = Source { parts, ..Source::new(TextSource::unnamed()) };
        feed::count::<Error>(&counter, vec![source], Some(&state), &mut |_, _, _| Ok(()))
    };
    assert_eq!(count().unwrap_err().kind(), ErrorKind::Format);
    assert!(state.join("1.run").exists() && !state.join("3.run").exists());
    fs::write(&paths[5], "some words").unwrap();
    assert_eq!(count().unwrap(), counter.count_files(&paths, &mut go).unwrap());
    let held = fs::File::open(state.join("lock")).unwrap();
    held.try_lock().unwrap();
    assert!(count().unwrap_err().to_string().contains("another process"));
}

#[test]
fn bounds_and_special_tokens_that_cannot_be_are_errors() {
    let error = counter("gpt2", 1).with_memory_limit(9, None).unwrap_err();
    assert!(error.to_string().starts_with("memory_limit is 9"), "{error}");
    let long = "x".repeat(MAX_SPECIAL.0 + 1);
    let error = counter("gpt2", 1).with_special_tokens(&[long]).unwrap_err();
    assert!(error.to_string().starts_with("special_tokens is"), "{error}");
    let none = counter("gpt2", 1).with_special_tokens(&[String::new()]).unwrap();
    assert!(none.special_tokens().is_empty());
}

#[test]
fn pieces_are_words_and_bert_normalises_them() {
    let counts = counter("gpt2", 1).count_texts(["the cat the cat", "the"]).unwrap();
    let wanted = [(" cat", 2), (" the", 1), ("the", 2)];
    assert_eq!(words(&counts), wanted.map(|(word, count)| (word.to_owned(), count)));
    let counts = counter("bert", 1).count_texts(["The Café, the CAFE"]).unwrap();
    let wanted = [(",", 1), ("cafe", 2), ("the", 2)];
    assert_eq!(words(&counts), wanted.map(|(word, count)| (word.to_owned(), count)));
}

#[test]
fn a_prefix_space_is_put_once_before_a_document() {
    let pre_tokenizer =
        PreTokenizer::ByteLevel { add_prefix_space: true, trim_offsets: true, use_regex: true };
    let counter = Counter::new(None, &pre_tokenizer, Manifest::default(), Some(1)).unwrap();
    let counts = counter.count_texts(["a b", " a"]).unwrap();
    assert_eq!(words(&counts), [(" a".to_owned(), 2), (" b".to_owned(), 1)]);
}

#[test]
fn bad_files_are_told_with_their_place() {
    let counter = counter("gpt2", 2);
    let fail = |name, content: &[u8]| count_files(&counter, &[(name, content)]).unwrap_err();
    let long = ["word ".repeat(50).as_bytes(), b"\xFF", b" more"].concat();
    let error = fail("a.txt", &long);
    assert_eq!(error.kind(), ErrorKind::Format);
    assert!(
        error.to_string().contains("a.txt: text at line 1, byte 250: invalid UTF-8"),
        "{error}"
    );
    let error = fail("a.txt", b"half a character \xE4\xB8");
    assert!(error.to_string().contains("byte 17"), "{error}");
    let error = fail("a.jsonl", b"{\"text\": \"a\"}\n\n{\"text\": \n");
    assert!(error.to_string().contains("a.jsonl: JSON lines at line 3: "), "{error}");
    let error = fail("a.jsonl", b"{\"txt\": \"a\"}\n");
    assert!(error.to_string().contains("missing field `text`"), "{error}");
    let error = counter.count_files(&["no/such/file".into()], &mut go).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let error = counter.count_files(&[std::env::temp_dir()], &mut go).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn an_error_of_the_source_comes_through_and_a_break_interrupts() {
    let counter = counter("gpt2", 2);
    let mut left = 3;
    let error = counter.count_chunks(|| {
        left -= 1;
        let chunk = Chunk::Documents { text: "a b".into(), ends: vec![3], starts: true };
        if left == 0 {
            return Err(Halt::Source(Error::training("the source failed")));
        }
        Ok(Some(chunk))
    });
    assert_eq!(error.unwrap_err().to_string(), "cannot train: the source failed");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.txt");
    fs::write(&path, "some words here ".repeat(1000)).unwrap();
    let error = counter.count_files(&[path], &mut |_, _, _| ControlFlow::Break(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
}

#[test]
fn a_document_is_not_cut_before_a_normaliser_that_may_change_the_sides() {
    let bert = counter("bert", 2).normalizer;
    let gpt2 = PreTokenizer::by_name("gpt2").unwrap();
    let counter = Counter::new(bert, &gpt2, Manifest::default(), Some(2)).unwrap();
    let text = "aa\nbb\n".repeat(100);
    let wanted = [(" ", 1), (" aa", 99), (" bb", 100), ("aa", 1)];
    let wanted = wanted.map(|(word, count)| (word.to_owned(), count));
    assert_eq!(words(&counter.count_texts([text.as_str()]).unwrap()), wanted);
    let file = count_files(&counter, &[("a.txt", text.as_bytes())]).unwrap();
    assert_eq!(words(&file), wanted);
}

#[test]
fn the_first_bad_line_is_told_for_any_number_of_threads() {
    let good = "{\"text\": \"a b\"}\n";
    let slow = format!("{{\"text\": \"{}\", \"x\": \n", "word ".repeat(50_000));
    let content = [&good.repeat(7), &slow, &good.repeat(3), "{\n", &good.repeat(3)].concat();
    for threads in [1, 2, 4, 8].repeat(3) {
        let error = count_files(&counter("gpt2", threads), &[("a.jsonl", content.as_bytes())]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("JSON lines at line 8: "), "{threads} threads: {error}");
    }
}

#[test]
fn a_chunk_that_failed_goes_before_a_source_that_failed_later() {
    for threads in [1, 2, 4].repeat(3) {
        let mut given = 0;
        let next = || {
            given += 1;
            let word = "{\"text\": ".to_owned() + &" ".repeat(1_000_000);
            let path = Path::new("a.jsonl").into();
            match given {
                1 => Ok(Some(Chunk::Lines { bytes: word.into_bytes(), first: 1, path })),
                _ => Err(Halt::Source(Error::training("the source failed"))),
            }
        };
        let error = counter("gpt2", threads).count_chunks(next).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Format, "{error}");
    }
}

#[test]
fn what_threads_the_system_gives_do_the_work() {
    let texts = ["some words, and more of them"; 40];
    let wanted = counter("gpt2", 1).count_texts(texts).unwrap();
    for starts in [0, 1, 3] {
        STARTS.set(starts);
        assert_eq!(counter("gpt2", 1024).count_texts(texts).unwrap(), wanted);
        assert_eq!(STARTS.get(), 0);
    }
    STARTS.set(100);
    counter("gpt2", 100).count_texts(["short"]).unwrap();
    assert_eq!(STARTS.get(), 99);
}

#[test]
fn a_panic_of_the_threads_comes_through_and_holds_nobody_up() {
    for threads in [1, 3] {
        // A chunk that no source makes: its end is beyond its text.
        let next = || {
            let chunk = Chunk::Documents { text: "a".into(), ends: vec![9], starts: true };
            Ok::<_, Halt<Error>>(Some(chunk))
        };
        let counter = counter("gpt2", threads);
        assert!(catch_unwind(AssertUnwindSafe(|| counter.count_chunks(next))).is_err());
    }
}

#[test]
fn an_empty_document_has_no_word_even_with_a_prefix_space() {
    let pre_tokenizer =
        PreTokenizer::ByteLevel { add_prefix_space: true, trim_offsets: true, use_regex: true };
    let counter = Counter::new(None, &pre_tokenizer, Manifest::default(), Some(1)).unwrap();
    let counts = counter.count_texts(["", ""]).unwrap();
    assert!(counts.is_empty());
    assert_eq!(counts.manifest().documents, 2);
    let manifest = Manifest { pretokenizer: "x".into(), ..Manifest::default() };
    let counter = Counter::new(None, &pre_tokenizer, manifest, Some(1)).unwrap();
    assert_eq!(counter.count_texts([]).unwrap().manifest().pretokenizer, "x");
}

#[test]
fn a_line_must_be_an_object() {
    for line in ["[\"hello\"]", "\"hello\"", "5", "null"] {
        let error = count_files(&counter("gpt2", 1), &[("a.jsonl", line.as_bytes())]).unwrap_err();
        assert!(error.to_string().contains("a.jsonl: JSON lines at line 1: no object"), "{error}");
    }
}

#[test]
fn a_bad_number_of_threads_in_the_environment_is_told() {
    let variable = "SUBTOK_NUM_THREADS";
    if std::env::var(variable).is_ok_and(|value| value == "many") {
        let gpt2 = PreTokenizer::by_name("gpt2").unwrap();
        let error = Counter::new(None, &gpt2, Manifest::default(), None).unwrap_err();
        assert!(error.to_string().starts_with("SUBTOK_NUM_THREADS is \"many\""), "{error}");
        return;
    }
    // Only another process can have another environment.
    let name = "train::counter::tests::a_bad_number_of_threads_in_the_environment_is_told";
    let this = std::env::current_exe().unwrap();
    let mut child = std::process::Command::new(this);
    let output = child.args([name, "--exact"]).env(variable, "many").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("1 passed"), "{told}");
}
