//! Query strings and form bodies.

/// The parameters of an OAuth request. One without a value counts as missing (RFC 6749 §3.1).
///
/// It has no `Debug`, because it contains codes, secrets and tokens.
pub(super) struct Parameters {
    pairs: Vec<(String, String)>,
    repeated: Vec<String>,
}

impl Parameters {
    pub(super) fn parse(encoded: &[u8]) -> Self {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut repeated = Vec::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            if pairs.iter().any(|(known, _)| *known == name) {
                repeated.push(name.into_owned());
            } else {
                pairs.push((name.into_owned(), value.into_owned()));
            }
        }
        Self { pairs, repeated }
    }

    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn is_repeated(&self, name: &str) -> bool {
        self.repeated.iter().any(|known| known == name)
    }

    /// Whether a parameter is duplicated. RFC 6749 §3.1 forbids this, because an attacker can exploit
    /// two parsers that pick different values. The name comes from the client, so never show it.
    pub(super) fn has_repetition(&self) -> bool {
        !self.repeated.is_empty()
    }
}

/// `uri` with `pairs` appended to its query.
pub(super) fn with_query(uri: &str, pairs: &[(&str, &str)]) -> String {
    if pairs.is_empty() {
        return uri.to_owned();
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs.iter().copied())
        .finish();
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{uri}{separator}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_parameter_is_noticed_even_without_a_value() {
        let parameters = Parameters::parse(b"code=&state=x&code=1");
        assert!(parameters.is_repeated("code"));
        assert!(!parameters.is_repeated("state"));
        assert!(parameters.has_repetition());
    }

    #[test]
    fn a_parameter_without_a_value_is_absent() {
        assert_eq!(Parameters::parse(b"prompt=&x=1").find("prompt"), None);
    }

    #[test]
    fn answers_are_appended_to_a_query_that_is_there() {
        assert_eq!(with_query("http://a/cb", &[("state", "a b")]), "http://a/cb?state=a+b");
        assert_eq!(with_query("http://a/cb?x=1", &[("state", "&")]), "http://a/cb?x=1&state=%26");
        assert_eq!(with_query("http://a/cb?x=1", &[]), "http://a/cb?x=1");
    }
}
