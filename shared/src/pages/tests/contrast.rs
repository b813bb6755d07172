//! Tests the contrast of colours: WCAG 2.2 §1.4.3 (text, 4.5 : 1) and §1.4.11 (controls, 3 : 1), in
//! both colour schemes, computed from the style sheet.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../../../../templates/style.css");

const TEXT: f64 = 4.5;
const CONTROL: f64 = 3.0;

/// Foreground, background and the required ratio. A colour may be used on a background only if the pair
/// is listed here.
const PAIRS: &[(&str, &str, f64)] = &[
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

#[test]
fn every_pair_of_colours_passes_aa_in_both_schemes() {
    let (light, dark) = schemes();
    for (scheme, colours) in [("light", light), ("dark", dark)] {
        for (foreground, background, needed) in PAIRS {
            let ratio = contrast(colours[*foreground], colours[*background]);
            assert!(
                ratio >= *needed,
                "{scheme}: {foreground} on {background} is {ratio:.2} : 1, not {needed} : 1"
            );
        }
    }
}

#[test]
fn both_schemes_name_the_same_colours() {
    let (light, dark) = schemes();
    assert!(light.keys().eq(dark.keys()), "{light:?} {dark:?}");
}

/// A literal colour at any other place would bypass the test above.
#[test]
fn literal_colours_occur_only_in_the_palette() {
    for line in STYLE.lines().filter(|line| !line.trim_start().starts_with("--")) {
        let selectors_aside = line.split('{').next_back().unwrap_or(line);
        for literal in ["rgb", "hsl", "oklch", "lab(", "color-mix"] {
            assert!(!line.contains(literal), "a colour outside of the palette: {line}");
        }
        assert!(
            !selectors_aside.contains(": #") && !selectors_aside.contains(" #"),
            "a colour outside of the palette: {line}"
        );
    }
}

#[test]
fn every_colour_used_as_text_has_its_pairs_checked() {
    for name in STYLE.split("color: var(--").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(
            PAIRS
                .iter()
                .any(|(foreground, background, _)| *foreground == name || *background == name),
            "no pair with {name} is checked"
        );
    }
}

#[test]
fn the_computed_contrast_agrees_with_the_standard() {
    let near = |left: f64, right: f64| (left - right).abs() < 0.01;
    assert!(near(contrast(0x000000, 0xffffff), 21.0));
    assert!(near(contrast(0x777777, 0xffffff), 4.48));
    assert!(near(contrast(0x123456, 0x123456), 1.0));
}

type Scheme = BTreeMap<&'static str, u32>;

fn schemes() -> (Scheme, Scheme) {
    let (light, rest) = STYLE
        .split_once("@media (prefers-color-scheme: dark)")
        .expect("the style sheet has a dark scheme");
    let dark = rest.split_once("\n}").expect("the dark scheme ends").0;
    (palette(light), palette(dark))
}

fn palette(style: &'static str) -> Scheme {
    style
        .lines()
        .filter_map(|line| {
            let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
            Some((name, u32::from_str_radix(value.strip_suffix(';')?, 16).ok()?))
        })
        .collect()
}

/// WCAG 2.2, "contrast ratio".
fn contrast(one: u32, other: u32) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// WCAG 2.2, "relative luminance".
fn luminance(colour: u32) -> f64 {
    let [_, red, green, blue] = colour.to_be_bytes().map(|byte| {
        let channel = f64::from(byte) / 255.0;
        if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}
