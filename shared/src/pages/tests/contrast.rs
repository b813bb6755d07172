//! Tests the contrast of the style sheet's colours in both colour schemes.

use crate::pages::contrast::{Colour, PAIRS, Scheme};

const STYLE: &str = include_str!("../../../../templates/style.css");

#[test]
fn every_pair_of_colours_passes_aa_in_both_schemes() {
    for (name, scheme) in ["light", "dark"].into_iter().zip(Scheme::both()) {
        for (foreground, background, _) in PAIRS {
            assert!(scheme.0.contains_key(foreground), "{name}: {foreground}");
            assert!(scheme.0.contains_key(background), "{name}: {background}");
        }
        let faults: Vec<_> = scheme.faults().collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
}

#[test]
fn both_schemes_name_the_same_colours() {
    let [light, dark] = Scheme::both().map(|scheme| scheme.0);
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
    let near = |one: &str, other: &str, expected: f64| {
        let [one, other] = [one, other].map(|text| Colour::parse(text).unwrap());
        let contrast = one.contrast(other);
        assert!((contrast - expected).abs() < 0.01, "{one} {other} {contrast}");
    };
    near("#000000", "#ffffff", 21.0);
    near("#777777", "#ffffff", 4.48);
    near("#123456", "#123456", 1.0);
}
