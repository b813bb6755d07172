//! A valid token with any changes: it must be rejected unless the text is unchanged.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use shared::jwt::TokenKind;

#[derive(Arbitrary, Debug)]
enum Change {
    Replace(u16, char),
    Insert(u16, String),
    Remove(u16, u8),
    Move(u16, u16),
}

static TOKEN: LazyLock<String> = LazyLock::new(|| fuzz::KEY.sign(&fuzz::claims()));

fuzz_target!(|changes: Vec<Change>| {
    let mut text: Vec<char> = TOKEN.chars().collect();
    for change in changes {
        // One more position than characters: behind the last one.
        let place = |at: u16, text: &[char]| usize::from(at) % (text.len() + 1);
        match change {
            Change::Replace(at, letter) => {
                let at = place(at, &text);
                if let Some(own) = text.get_mut(at) {
                    *own = letter;
                }
            }
            Change::Insert(at, more) => {
                let at = place(at, &text);
                text.splice(at..at, more.chars());
            }
            Change::Remove(at, count) => {
                let start = place(at, &text);
                let end = text.len().min(start + usize::from(count));
                text.drain(start..end);
            }
            Change::Move(from, to) => {
                let (from, to) = (place(from, &text), place(to, &text));
                if from < text.len() && to < text.len() {
                    text.swap(from, to);
                }
            }
        }
    }
    let text: String = text.into_iter().collect();
    let kind = TokenKind::ApiKey { client_id: "the-client" };
    let outcome = fuzz::bounded(|| fuzz::verify(&text, kind));
    assert_eq!(outcome.is_ok(), text == *TOKEN);
});
