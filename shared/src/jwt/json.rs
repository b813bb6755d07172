//! Parses JSON objects and rejects duplicate names.
//!
//! RFC 7519 §4 lets a parser reject a duplicate name or take the last value. If it takes one, two
//! readers of the same signed token can see different issuers.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::TokenError;

/// Parses `bytes` as exactly one object. `serde_json` limits the depth (128).
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, TokenError> {
    match serde_json::from_slice(bytes) {
        Ok(UniqueNames(Value::Object(object))) => Ok(object),
        Ok(UniqueNames(_)) => Err(TokenError::Malformed),
        // The visitor below accepts every type of value; its only error is a duplicate name.
        Err(error) if error.is_data() => Err(TokenError::DuplicateClaim),
        Err(_) => Err(TokenError::Malformed),
    }
}

struct UniqueNames(Value);

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(UniqueNames(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let UniqueNames(value) = members.next_value()?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a JSON object contains a duplicate name"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// JSON of any shape, at most eight levels deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(8, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..8)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        /// R180.
        #[test]
        fn r180_any_object_is_parsed_without_change(
            members in prop::collection::hash_map(any::<String>(), any_json(), 0..8),
        ) {
            let written: Map<_, _> = members.into_iter().collect();
            let text = Value::Object(written.clone()).to_string();
            prop_assert_eq!(object(text.as_bytes()), Ok(written));
        }

        /// R44, R180: at any place, with any spelling and any value.
        #[test]
        fn r044_a_duplicate_name_is_detected_anywhere(
            name in any::<String>(),
            path in prop::collection::vec(any::<Option<String>>(), 0..100),
            (first, between, second) in (any_json(), any_json(), any_json()),
            is_spelled_out: bool,
        ) {
            let plain = json!(name).to_string();
            let spelled_out: String =
                name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let twin = if is_spelled_out { format!("\"{spelled_out}\"") } else { plain.clone() };
            let other = json!(format!("{name}x"));
            let innermost = format!("{{{plain}:{first},{other}:{between},{twin}:{second}}}");
            let text = path.iter().fold(innermost, |text, step| match step {
                Some(name) => format!("{{{}:{text}}}", json!(name)),
                None => format!("[{text}]"),
            });
            prop_assert_eq!(object(text.as_bytes()), Err(TokenError::DuplicateClaim));
        }

        /// R180.
        #[test]
        fn r180_no_input_causes_a_panic_and_accepted_input_is_json(bytes: Vec<u8>) {
            let read = object(&bytes).ok().map(Value::Object);
            prop_assert!(read.is_none() || read == serde_json::from_slice(&bytes).ok());
        }
    }

    /// R44: the maximum depth is accepted, one level more is rejected before it is built.
    #[test]
    fn r044_depth_is_bounded() {
        let nested =
            |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(object(nested(127).as_bytes()).is_ok());
        assert_eq!(object(nested(128).as_bytes()), Err(TokenError::Malformed));
    }
}
