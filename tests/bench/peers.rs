//! Token verification in other languages, under the same Runtime API and in the same rounds.
//!
//! `tests/bench/peers/run` builds the peers. They have no sessions: they accept a token after a
//! logout until it expires.

use std::fs;

use local::emulator::lambda::{Function, Surroundings};

use crate::{
    cases::{Cases, EMPTY, SEEN},
    rounds::{self, REQUESTS},
};

/// Names in the table, and folders that `tests/bench/peers/run` creates.
const PEERS: [(&str, &str); 4] = [
    ("Python: Flask + PyJWT", "flask_pyjwt"),
    ("Python: PyJWT alone", "pyjwt"),
    ("Node.js: aws-jwt-verify, bundled", "aws_jwt_verify"),
    ("Node.js: Express + express-oauth2-jwt-bearer, bundled", "express"),
];

/// The marks around the table in README.md.
const MARKS: [&str; 2] = ["<!-- peers: tests/bench/peers/run --write -->\n", "<!-- /peers -->\n"];

/// Measures the peers and prints the results; with `write`, updates README.md too.
pub(crate) async fn measure(cases: &Cases, rounds: usize, write: bool) {
    let [empty, verify] = cases.baselines(["empty", "verify"]);
    let mut all = vec![
        cases.peer(EMPTY, &empty),
        cases.peer("Rust: jsonwebtoken alone", &verify),
        cases.seen(cases.protected()),
    ];
    for (name, folder) in PEERS {
        let bootstrap = tests::artifact(&format!("peers/{folder}"), "bootstrap");
        assert!(bootstrap.is_file(), "{} is missing: tests/bench/peers/run", bootstrap.display());
        let surroundings = Surroundings::Workplace;
        let mut case = cases.peer(name, &Function { bootstrap, surroundings, ..empty.clone() });
        case.is_whole = false;
        all.push(case);
    }
    let figures = rounds::measure(&all, rounds).await;
    let summary = figures.summary();
    println!("{REQUESTS} requests in each round\n\n{}\n{summary}", figures.tables());
    crate::write("peers", &figures.json());
    if write {
        put_into_readme(&summary.replace(SEEN, "**`protected`**, and its session looked up"));
    }
}

fn put_into_readme(table: &str) {
    let file = tests::project().join("README.md");
    let text = fs::read_to_string(&file).expect("it is there");
    let (before, rest) = text.split_once(MARKS[0]).expect("README.md has the mark");
    let (_, after) = rest.split_once(MARKS[1]).expect("README.md has the closing mark");
    let text = [before, MARKS[0], table, MARKS[1], after].concat();
    fs::write(&file, text).expect("README.md is writable");
}
