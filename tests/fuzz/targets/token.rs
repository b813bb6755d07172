//! Any text as a token of any kind: unsigned text must be rejected.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for kind in fuzz::kinds() {
        assert!(fuzz::bounded(|| fuzz::verify(text, kind)).is_err());
    }
});
