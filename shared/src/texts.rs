//! The texts of the pages, in each language.
//!
//! A language is one value of [`Texts`], so the compiler proves that it is complete. JSON is always in
//! English, because programs read it.

/// A text of the catalogue, in the language of the reader: `|texts| texts.actions.log_in`.
pub type Text = fn(&Texts) -> &'static str;

/// What precedes a value that a page inserts, and what follows it.
pub type Around = [&'static str; 2];

/// `text` in English, for JSON and headers.
pub fn english(text: Text) -> &'static str {
    text(Language::English.texts())
}

/// The languages of the pages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Language {
    /// The default.
    English,
    /// German, in the formal address.
    German,
}

impl Language {
    /// The language of the tag `tag` (RFC 5646), such as `de-AT`, if there are texts in it.
    pub fn tagged(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        [Self::English, Self::German]
            .into_iter()
            .find(|language| language.texts().language.eq_ignore_ascii_case(primary))
    }

    /// The texts in this language.
    pub const fn texts(self) -> &'static Texts {
        match self {
            Self::English => &english::TEXTS,
            Self::German => &german::TEXTS,
        }
    }
}

/// The type of a field: a text, unless the catalogue names another one.
macro_rules! kind {
    () => { &'static str };
    ($kind:ty) => { $kind };
}

/// Declares each part of the catalogue with its texts in English: `field = "Text",` or, for a field that
/// is not one text, `field: Type = value,`.
macro_rules! texts {
    ($($(#[$attribute:meta])* $name:ident { $($field:ident $(: $kind:ty)? = $value:expr,)* })*) => {
        $(
            #[derive(Debug, Serialize)]
            $(#[$attribute])*
            #[expect(missing_docs, reason = "each field has its text in English")]
            pub struct $name { $(pub $field: kind!($($kind)?),)* }

            impl $name {
                const ENGLISH: Self = Self { $($field: $value,)* };
            }
        )*
    };
}

mod english;
mod german;

pub use self::english::{
    Actions, Credential, Errors, Key, Login, Logout, Message, Refusals, Script, Texts, Titles,
    Tokens,
};

#[cfg(test)]
mod tests;
