//! Checks that a text does not contain a secret, in any encoding.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

/// Asserts that `haystack` contains none of the named secrets. The search includes plain text, both
/// base64 alphabets at any alignment, hexadecimal in either case, URL encoding, and a list of bytes
/// as printed by `Debug`.
///
/// # Panics
///
/// Panics if a secret is found.
pub fn assert_absent(haystack: &[u8], secrets: &[(&str, &str)]) {
    for (name, secret) in secrets {
        assert!(secret.len() >= 4, "{name} is too short to search for");
        for (form, needle) in forms(secret.as_bytes()) {
            assert!(!contains(haystack, &needle), "{name} was found, {form}");
        }
    }
}

/// Whether `haystack` contains `needle`.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memmem::find(haystack, needle).is_some()
}

fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hexadecimal: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{secret:?}");
    let mut forms = vec![
        ("plain", secret.to_vec()),
        ("in a URL", percent_encode(secret, NON_ALPHANUMERIC).to_string().into_bytes()),
        ("in upper-case hexadecimal", hexadecimal.to_ascii_uppercase().into_bytes()),
        ("in hexadecimal", hexadecimal.into_bytes()),
        ("as a list", list.trim_matches(['[', ']']).as_bytes().to_vec()),
    ];
    // Inside a longer text, a secret may start at any of three positions in a base64 group.
    for padding in 0..3 {
        let padded = [&[0; 2][..padding], secret].concat();
        let whole = padded.len() / 3 * 4;
        let start = [0, 2, 3][padding];
        forms
            .push(("in base64", BASE64_STANDARD.encode(&padded).as_bytes()[start..whole].to_vec()));
        forms.push((
            "in base64url",
            BASE64_URL_SAFE_NO_PAD.encode(&padded).as_bytes()[start..whole].to_vec(),
        ));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        let secret = "hunter2 & more";
        let base64 = |text: &str| BASE64_STANDARD.encode(text);
        for haystack in [
            format!("x{secret}x"),
            base64(&format!("{secret} and more")),
            base64(&format!("x{secret} and more")),
            base64(&format!("xx{secret} and more")),
            "68756e746572322026206d6f7265".to_owned(),
            "hunter2%20%26%20more".to_owned(),
            format!("{:?}", secret.as_bytes()),
        ] {
            let is_found = forms(secret.as_bytes())
                .iter()
                .any(|(_, needle)| contains(haystack.as_bytes(), needle));
            assert!(is_found, "{haystack}");
        }
        assert_absent(b"hunter3 and more", &[("the secret", secret)]);
    }
}
