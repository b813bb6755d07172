//! Renders every page in every language.

use std::collections::BTreeSet;

use super::*;

const SCRIPT: &str = include_str!("../../../../templates/key.js");

/// Elements that show a value: a name, an address, a time, code, or words of the provider.
const VALUES: &str = "bdi, code, pre, time, blockquote, .letter, #initials, script, style";

#[test]
fn no_page_in_german_has_a_text_in_english() {
    for ((name, english), (_, german)) in
        pages_in(frame_in(Language::English)).iter().zip(&pages_in(frame_in(Language::German)))
    {
        let [english, german] = [english, german].map(|page| Page::parse(page));
        assert_eq!(english.attribute("html", "lang"), "en", "{name}");
        assert_eq!(german.attribute("html", "lang"), "de", "{name}");
        let [english, german] = [english, german].map(|page| page.spoken());
        assert!(english.len() > 2 && german.len() > 2, "{name}: {english:?} {german:?}");
        let left: Vec<_> = english.intersection(&german).collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[test]
fn every_page_is_sound_in_german() {
    for (name, page) in pages_in(frame_in(Language::German)) {
        assert_sound(name, &page);
        assert!(page.len() < 33_000, "{name} has {} bytes", page.len());
    }
}

#[test]
fn the_script_uses_each_of_its_texts_and_has_no_others() {
    let script = serde_json::to_value(&Language::English.texts().script).unwrap();
    let names = |value: &serde_json::Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(used("texts."), names(&script));
    assert_eq!(used(" own."), names(&script["key"]));
    for literal in SCRIPT.split('"').skip(1).step_by(2) {
        let is_sentence = literal.contains(' ') && literal.starts_with(char::is_uppercase);
        assert!(!is_sentence, "{literal}");
    }
}

/// The script reads the texts from an attribute, where HTML escaping protects them.
#[test]
fn the_script_gets_its_texts_and_those_of_refusals() {
    let page =
        Page::parse(&KeyPage { frame: frame_in(Language::German), ..page_of(user()) }.render());
    let [texts, reasons]: [serde_json::Value; 2] =
        serde_json::from_str(&page.attribute("#live", "data-texts")).unwrap();
    assert_eq!(texts["loggedIn"], "Sie sind angemeldet");
    assert_eq!(texts["key"]["accepted"], "Die API nimmt Ihren Schlüssel an.");
    assert_eq!(reasons["insufficient_scope"], "Dem Token fehlt eine verlangte Berechtigung.");
}

/// The names that follow `prefix` in the script.
fn used(prefix: &str) -> BTreeSet<String> {
    SCRIPT
        .split(prefix)
        .skip(1)
        .map(|rest| rest.chars().take_while(|letter| letter.is_ascii_alphanumeric()).collect())
        .collect()
}

fn frame_in(language: Language) -> Frame<'static> {
    Frame { texts: language.texts(), ..frame() }
}

impl Page {
    /// The texts that a reader sees or hears, without values.
    fn spoken(&self) -> BTreeSet<String> {
        let values: Vec<_> = self.all(VALUES).iter().map(|element| element.id()).collect();
        let texts = self.0.tree.nodes().filter_map(|node| {
            let text = node.value().as_text()?;
            let is_value = node.ancestors().any(|ancestor| values.contains(&ancestor.id()));
            (!is_value).then(|| text.to_string())
        });
        let labels = self.all("[aria-label], [data-done]").into_iter().flat_map(|element| {
            ["aria-label", "data-done"]
                .map(|name| element.attr(name).unwrap_or_default().to_owned())
        });
        texts.chain(labels).filter(|text| text.contains(char::is_alphabetic)).collect()
    }
}
