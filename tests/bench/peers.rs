//! Functions in other languages under the same Runtime API and in the same rounds.
//!
//! `tests/bench/peers/build` builds them.

use std::fs;

use crate::{
    cases::{BARE, Cases, EMPTY, LOGIN, SEEN},
    figures::Figures,
    rounds::Case,
};

const NODE: &str = "Node.js: aws-jwt-verify, AWS SDK";
const PYTHON: &str = "Python: PyJWT, boto3";
const NODE_LESS: &str = "less, no session: Node.js, aws-jwt-verify";
const PYTHON_LESS: &str = "less, no session: Python, PyJWT";

/// Those that verify the token and read its session.
pub(crate) const SAME_JOB: [&str; 2] = [NODE, PYTHON];

/// Names in the table, and folders with the programs. The last two accept a token after a logout until
/// it expires.
const PEERS: [(&str, &str); 4] = [
    (NODE, "node_session"),
    (PYTHON, "python_session"),
    (NODE_LESS, "aws_jwt_verify"),
    (PYTHON_LESS, "pyjwt"),
];

/// The marks around the table in README.md.
const MARKS: [&str; 2] = ["<!-- peers: tests/bench/run --write -->\n", "<!-- /peers -->\n"];

/// All peers.
///
/// boto3 reads its authorities from a file. It gets its usual file with the table's authority added, so
/// that the file is as long as usual.
pub(crate) async fn cases(cases: &Cases) -> Vec<Case> {
    let usual = fs::read(tests::artifact("peers", "cacert.pem")).expect("it is installed");
    let own = fs::read(cases.table().authority()).expect("it was written");
    let authorities = tests::artifact("peers", "authorities.pem");
    fs::write(&authorities, [usual, own].concat()).expect("the folder is writable");
    let peers = PEERS.map(|(name, folder)| {
        let bootstrap = tests::artifact(&format!("peers/{folder}"), "bootstrap");
        assert!(bootstrap.is_file(), "{} is missing: tests/bench/run", bootstrap.display());
        (name, bootstrap)
    });
    cases.peers(&peers, &authorities).await
}

/// Puts the figures that README.md shows into its table.
pub(crate) fn put_into_readme(figures: &Figures) {
    let names = [EMPTY, BARE, SEEN, LOGIN, NODE, PYTHON, NODE_LESS, PYTHON_LESS];
    let table = figures.summary(&names);
    let table = table
        .replace(SEEN, "**`protected`**: token, and its session looked up")
        .replace(LOGIN, "**`login`**: the login page");
    let file = tests::project().join("README.md");
    let text = fs::read_to_string(&file).expect("it is there");
    let (before, rest) = text.split_once(MARKS[0]).expect("README.md has the mark");
    let (_, after) = rest.split_once(MARKS[1]).expect("README.md has the closing mark");
    let text = [before, MARKS[0], &table, MARKS[1], after].concat();
    fs::write(&file, text).expect("README.md is writable");
}
