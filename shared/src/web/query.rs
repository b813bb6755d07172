//! Query strings, with duplicate parameters detected.

use std::fmt;

use http::Uri;

/// The decoded parameters of a query string, in order, including duplicates.
#[derive(Clone, Default)]
pub struct Query(Vec<(String, String)>);

/// A parameter occurs more than once. Neither value is used, because another reader of the same URL may
/// choose the other one (RFC 6749 §3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a parameter is duplicated")]
pub struct Duplicate;

impl Query {
    /// The parameters of `uri`.
    pub fn of(uri: &Uri) -> Self {
        Self::parse(uri.query().unwrap_or_default().as_bytes())
    }

    /// The parameters of a query string or of a form's body.
    pub fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The single value of `name`; `None` if it is absent.
    ///
    /// # Errors
    ///
    /// When it occurs more than once.
    pub fn once(&self, name: &str) -> Result<Option<&str>, Duplicate> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() { Err(Duplicate) } else { Ok(value) }
    }

    /// All values of `name`, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether any parameter occurs more than once.
    pub fn has_duplicate(&self) -> bool {
        self.0.iter().any(|(name, _)| self.once(name).is_err())
    }

    /// Whether `name` occurs.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

/// Shows names only: a value may be a code.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/path?{text}").parse().unwrap())
    }

    #[test]
    fn values_are_decoded_once() {
        assert_eq!(query("a=1%202&b=x%2520y").once("a"), Ok(Some("1 2")));
        assert_eq!(query("a=1&b=x%2520y").once("b"), Ok(Some("x%20y")));
        assert_eq!(query("a").once("a"), Ok(Some("")));
        assert_eq!(query("a=1").once("b"), Ok(None));
    }

    #[test]
    fn r022_a_parameter_that_occurs_twice_has_no_value() {
        assert_eq!(query("state=a&state=b").once("state"), Err(Duplicate));
        assert_eq!(query("state=a&%73tate=a").once("state"), Err(Duplicate));
    }

    proptest! {
        /// R22, R180: a parameter that occurs once has its value, and any other has none, regardless of
        /// the encoding.
        #[test]
        fn r022_a_parameter_has_a_value_if_it_occurs_once(
            pairs in prop::collection::vec(("[ab&=%+ü]{0,2}", ".{0,8}"), 0..6),
        ) {
            let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let read = query(&encoded);
            for (name, _) in &pairs {
                let values: Vec<_> = pairs.iter().filter(|pair| pair.0 == *name).collect();
                let expected = match values[..] {
                    [(_, value)] => Ok(Some(value.as_str())),
                    _ => Err(Duplicate),
                };
                prop_assert_eq!(read.once(name), expected);
                prop_assert!(read.contains(name));
            }
            let names: BTreeSet<_> = pairs.iter().map(|(name, _)| name).collect();
            prop_assert_eq!(read.has_duplicate(), names.len() < pairs.len());
            prop_assert_eq!(read.once("never sent"), Ok(None));
        }

        /// R180.
        #[test]
        fn r180_no_query_panics(text in "[!-~]{0,60}") {
            if let Ok(uri) = format!("/?{text}").parse() {
                let read = Query::of(&uri);
                prop_assert_eq!(read.contains(""), read.once("") != Ok(None));
            }
        }
    }
}
