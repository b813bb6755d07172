//! Contrast of colours: WCAG 2.2 §1.4.3 (text, 4.5 : 1) and §1.4.11 (controls, 3 : 1), computed from the
//! style sheet.

use std::{collections::BTreeMap, fmt};

const STYLE: &str = include_str!("../../../templates/style.css");

const TEXT: f64 = 4.5;
const CONTROL: f64 = 3.0;

/// Foreground, background and the required ratio. A colour may be used on a background only if the pair
/// is listed here.
pub(super) const PAIRS: &[(&str, &str, f64)] = &[
    ("text", "page", TEXT),
    ("text", "card", TEXT),
    ("text", "inset", TEXT),
    ("muted", "page", TEXT),
    ("muted", "card", TEXT),
    ("muted", "inset", TEXT),
    ("accent", "page", TEXT),
    ("accent", "card", TEXT),
    ("accent", "inset", TEXT),
    ("on-accent", "accent", TEXT),
    ("card", "text", TEXT),
    ("good", "card", TEXT),
    ("good", "good-ground", TEXT),
    ("bad", "card", TEXT),
    ("bad", "bad-ground", TEXT),
    ("wait", "card", TEXT),
    ("wait", "wait-ground", TEXT),
    ("token-header", "card", TEXT),
    ("token-header", "inset", TEXT),
    ("token-claims", "card", TEXT),
    ("token-claims", "inset", TEXT),
    ("token-signature", "card", TEXT),
    ("token-signature", "inset", TEXT),
    ("edge", "page", CONTROL),
    ("edge", "card", CONTROL),
    ("edge", "inset", CONTROL),
];

/// A colour in sRGB. `Display` writes its six hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Colour(u32);

impl Colour {
    pub(super) const WHITE: Self = Self(0xff_ffff);

    /// Parses `#rrggbb`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        let is_colour = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_colour.then(|| u32::from_str_radix(digits, 16).ok().map(Self))?
    }

    /// The colour with `share` of 255 parts of white.
    pub(super) fn lightened(self, share: u8) -> Self {
        let channels = self.0.to_be_bytes().map(|own| {
            let mixed = u32::from(own) * u32::from(255 - share) + 255 * u32::from(share);
            u8::try_from(mixed / 255).unwrap_or(u8::MAX)
        });
        Self(u32::from_be_bytes(channels) & Self::WHITE.0)
    }

    /// WCAG 2.2, "contrast ratio".
    pub(super) fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let [_, red, green, blue] = self.0.to_be_bytes().map(|byte| {
            let channel = f64::from(byte) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

/// The colours of one colour scheme, by name.
pub(super) struct Scheme(pub(super) BTreeMap<&'static str, Colour>);

impl Scheme {
    /// The light and the dark scheme of the style sheet.
    pub(super) fn both() -> [Self; 2] {
        let (light, rest) =
            STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap_or((STYLE, ""));
        [light, rest.split_once("\n}").map_or(rest, |(dark, _)| dark)].map(Self::parse)
    }

    fn parse(style: &'static str) -> Self {
        let colours = style.lines().filter_map(|line| {
            let (name, value) = line.trim().strip_prefix("--")?.split_once(": ")?;
            Some((name, Colour::parse(value.strip_suffix(';')?)?))
        });
        Self(colours.collect())
    }

    /// The scheme with another colour called `name`.
    pub(super) fn with(&self, name: &'static str, colour: Colour) -> Self {
        let mut colours = self.0.clone();
        colours.insert(name, colour);
        Self(colours)
    }

    /// The pairs whose contrast is too low, with that contrast.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&'static str, &'static str, f64, f64)> {
        PAIRS.iter().filter_map(|&(foreground, background, needed)| {
            let contrast = self.0.get(foreground)?.contrast(*self.0.get(background)?);
            (contrast < needed).then_some((foreground, background, contrast, needed))
        })
    }
}
