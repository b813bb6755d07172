//! Plain English: words that hide who acts, and older names of the login, appear in no tracked text.

use std::{fs, process::Command};

use tests::project;

/// The forbidden words and phrases. They also match across a line break in a comment.
const FORBIDDEN: [&str; 18] = [
    "anew",
    "be had",
    "nobody",
    "of its own",
    "of their own",
    "sign in",
    "sign out",
    "sign-in",
    "sign-out",
    "signed in",
    "signed out",
    "signing in",
    "signing out",
    "signs in",
    "signs out",
    "somebody",
    "told off",
    "whoever",
];

/// A comment with this text, on the same line or the line above, allows one use. After the word follows
/// the reason: `allowed word: nobody, because …`.
const ALLOWED: &str = "allowed word: ";

const EXTENSIONS: [&str; 11] =
    ["css", "env", "html", "md", "mjs", "py", "rs", "sh", "toml", "yaml", "yml"];

/// The tracked texts: sources, documents, pages and scripts. This file, which lists the words, and the
/// package manager's files are left out.
fn texts() -> Vec<(String, String)> {
    let listed = Command::new("git").arg("ls-files").current_dir(project()).output().unwrap();
    let paths = String::from_utf8(listed.stdout).unwrap();
    paths
        .lines()
        .filter(|path| *path != "tests/tests/project/words.rs")
        .filter_map(|path| Some((path, fs::read_to_string(project().join(path)).ok()?)))
        .filter(|(path, text)| {
            let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
            EXTENSIONS.contains(&extension) || text.starts_with("#!")
        })
        .map(|(path, text)| (path.to_owned(), text))
        .collect()
}

/// The words of `text` in lower case, each with its line number counted from 0.
fn words(text: &str) -> Vec<(usize, String)> {
    let is_separator = |character: char| !character.is_alphanumeric() && !"_-".contains(character);
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(number, line)| {
            let words = line.split(is_separator).filter(|word| !word.is_empty());
            words.map(move |word| (number, word.to_lowercase()))
        })
        .collect()
}

/// The uses of forbidden words in `text` that no comment allows: line number and phrase.
fn faults(text: &str) -> Vec<(usize, &'static str)> {
    let (lines, words): (Vec<_>, Vec<_>) = (text.lines().collect(), words(text));
    let mut faults = Vec::new();
    for phrase in FORBIDDEN {
        let length = phrase.split(' ').count();
        for found in words.windows(length) {
            let line = found[0].0;
            let is_phrase = found.iter().map(|(_, word)| word).eq(phrase.split(' '));
            let allowance = format!("{ALLOWED}{phrase}, because ");
            let is_allowed =
                lines[line.saturating_sub(1)..=line].iter().any(|line| line.contains(&allowance));
            if is_phrase && !is_allowed {
                faults.push((line + 1, phrase));
            }
        }
    }
    faults
}

#[test]
fn no_text_contains_a_forbidden_word() {
    let texts = texts();
    assert!(texts.len() > 200, "too few texts were found: {}", texts.len());
    let faults: Vec<_> = texts
        .iter()
        .flat_map(|(path, text)| {
            let describe = move |(line, phrase)| format!("{path}:{line}: `{phrase}`");
            faults(text).into_iter().map(describe)
        })
        .collect();
    assert!(faults.is_empty(), "use plain words instead of:\n{}", faults.join("\n"));
}

#[test]
fn a_forbidden_word_is_found_across_lines_and_allowed_only_with_a_reason() {
    assert_eq!(faults("/// Each has a lock of\n/// its own."), [(1, "of its own")]);
    assert_eq!(faults("let NOBODY = 1;"), [(1, "nobody")]);
    assert_eq!(faults("let is_signed_in = \"/signed-out\";"), []);
    assert_eq!(faults("// allowed word: nobody, because it is a protocol value\nnobody"), []);
    assert_eq!(faults("// allowed word: nobody\nnobody").len(), 2);
    assert_eq!(faults("// allowed word: anew, because of a test\nnobody"), [(2, "nobody")]);
}
