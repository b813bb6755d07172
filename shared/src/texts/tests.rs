//! Compares the languages of the catalogue.

use serde_json::Value;

use super::*;

#[test]
fn every_german_text_differs_from_the_english_one() {
    let [english, german] = [Language::English, Language::German].map(leaves);
    assert!(english.len() > 150, "{}", english.len());
    for ((name, english), (other, german)) in english.iter().zip(&german) {
        assert_eq!(name, other);
        assert_ne!(english, german, "{name}");
    }
}

/// A text that ends with a full stop in one language ends with one in the other.
#[test]
fn texts_have_the_same_shape_in_every_language() {
    let [english, german] = [Language::English, Language::German].map(leaves);
    for ((name, english), (_, german)) in english.iter().zip(&german) {
        assert!(!german.trim().is_empty(), "{name}");
        let ends = |text: &str| text.chars().next_back().filter(|end| ".?:…".contains(*end));
        assert_eq!(ends(english), ends(german), "{name}");
    }
}

#[test]
fn a_language_is_found_by_its_tag() {
    for (tag, language) in [
        ("en", Some(Language::English)),
        ("de", Some(Language::German)),
        ("de-AT", Some(Language::German)),
        ("DE-ch", Some(Language::German)),
        ("den", None),
        ("d", None),
        ("", None),
        ("fr-de", None),
    ] {
        assert_eq!(Language::tagged(tag), language, "{tag}");
    }
}

/// The texts with the paths to them. Those around values are one text.
fn leaves(language: Language) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    collect("", &serde_json::to_value(language.texts()).unwrap(), &mut leaves);
    leaves
}

fn collect(path: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                collect(&format!("{path}.{name}"), value, leaves);
            }
        }
        Value::Array(parts) => {
            let parts: Vec<_> = parts.iter().filter_map(Value::as_str).collect();
            leaves.push((path.to_owned(), parts.join("{}")));
        }
        text => leaves.push((path.to_owned(), text.as_str().unwrap().to_owned())),
    }
}
