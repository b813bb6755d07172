//! The floors of `shared/src`: imports point down, and no two modules import each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use tests::{project, requirements::rust_files};

/// The floors from lowest to highest, as the documentation of `shared/src/lib.rs` lists them.
fn floors() -> BTreeMap<String, usize> {
    let map = fs::read_to_string(project().join("shared/src/lib.rs")).unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut floors = BTreeMap::new();
    for row in rows {
        let mut cells = row.split(" | ");
        let Ok(floor) = cells.next().unwrap().parse() else { continue };
        for name in cells.next().unwrap().split(", ") {
            floors.insert(name.trim_matches(['[', ']', '`']).to_owned(), floor);
        }
    }
    floors
}

/// The modules that each top-level module imports by `use crate::…`, except in tests.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let source = project().join("shared/src");
    let mut imports = BTreeMap::<_, BTreeSet<_>>::new();
    for file in rust_files(&source) {
        let path = file.strip_prefix(&source).unwrap().with_extension("");
        let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
        if parts.contains(&"tests") || ["lib", "testing"].contains(&parts[0]) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let uses = text.split("use crate::").skip(1).map(|rest| rest.split(';').next().unwrap());
        imports.entry(parts[0].to_owned()).or_default().extend(uses.flat_map(roots));
    }
    imports
}

/// The first names in a `use` tree: `a` and `b` of `{a::{x, y}, b::z}`.
fn roots(tree: &str) -> Vec<String> {
    let (mut depth, mut roots) = (0, vec![String::new()]);
    let outermost = usize::from(tree.starts_with('{'));
    for character in tree.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == outermost => roots.push(String::new()),
            _ if depth == outermost => roots.last_mut().unwrap().push(character),
            _ => {}
        }
    }
    let first = |root: &String| root.trim().split("::").next().unwrap().to_owned();
    roots.iter().map(first).filter(|root| !root.is_empty()).collect()
}

#[test]
fn imports_between_modules_point_down_and_form_no_circle() {
    let (floors, imports) = (floors(), imports());
    let modules: BTreeSet<_> = imports.keys().collect();
    assert!(modules.len() > 15, "{modules:?}");
    for (module, imported) in &imports {
        for other in imported.iter().filter(|other| *other != module) {
            let [from, to] = [module, other].map(|name| {
                floors.get(name).unwrap_or_else(|| panic!("lib.rs lists no floor for {name}"))
            });
            assert!(to <= from, "{module} imports {other}, which is on a higher floor");
            let is_circle = imports.get(other).is_some_and(|back| back.contains(module));
            assert!(!is_circle, "{module} and {other} import each other");
        }
    }
}
