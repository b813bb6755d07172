//! JSON in which every name stands once.
//!
//! RFC 7519 §4 lets a parser refuse a repeated name or take the last one. Taking one means that
//! two readers of the same signed token can see two issuers.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::TokenError;

/// The one object that `bytes` hold, to the last byte. Depth is bounded by `serde_json` (128).
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, TokenError> {
    match serde_json::from_slice(bytes) {
        Ok(UniqueNames(Value::Object(object))) => Ok(object),
        Ok(UniqueNames(_)) => Err(TokenError::Malformed),
        // The visitor below takes every kind of value: its one complaint is a repeated name.
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

    /// JSON of any shape, eight levels deep at most.
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
        fn r180_any_object_is_read_as_it_was_written(
            members in prop::collection::hash_map(any::<String>(), any_json(), 0..8),
        ) {
            let written: Map<_, _> = members.into_iter().collect();
            let text = Value::Object(written.clone()).to_string();
            prop_assert_eq!(object(text.as_bytes()), Ok(written));
        }

        /// R44, R180: wherever it stands, however it is spelled, whatever it says.
        #[test]
        fn r044_a_name_that_stands_twice_is_found_anywhere(
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
        fn r180_no_bytes_make_it_panic_and_what_it_takes_is_json(bytes: Vec<u8>) {
            let read = object(&bytes).ok().map(Value::Object);
            prop_assert!(read.is_none() || read == serde_json::from_slice(&bytes).ok());
        }
    }

    /// R44: the last depth that is read, and the first that is not. What lies deeper is never built.
    #[test]
    fn r044_depth_is_bounded() {
        let nested =
            |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(object(nested(127).as_bytes()).is_ok());
        assert_eq!(object(nested(128).as_bytes()), Err(TokenError::Malformed));
    }
}
