//! What a request waits for after the process was frozen and its connection to the table died meanwhile.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    cases::Cases,
    figures::milliseconds,
    processor_share::ProcessorShare,
    remote_table::RemoteTable,
    rounds::{WARM_UP, ask, shuffled},
    spread::Spread,
};

/// Longer than the time after which our client distrusts a connection.
const FREEZE: Duration = Duration::from_secs(7);

/// What happens to the connection meanwhile, by name.
type Fate = (&'static str, fn(&RemoteTable));

const FATES: [Fate; 3] = [
    ("lives on", |_| {}),
    ("is closed by the table", RemoteTable::close_all),
    ("is dropped silently", RemoteTable::forget_all),
];

/// Measures the first request after the freeze, and the next one.
pub(crate) async fn measure(cases: &Cases, share: &ProcessorShare, rounds: usize) {
    let mut first = FATES.map(|_| Vec::new());
    let mut next = FATES.map(|_| Vec::new());
    for _ in 0..rounds {
        for index in shuffled(FATES.len()) {
            let [one, two] = round(cases, share, FATES[index].1).await;
            first[index].push(milliseconds(one));
            next[index].push(milliseconds(two));
        }
    }
    let mut table =
        "| the connection | first request, ms | next request, ms |\n|---|---|---|\n".to_owned();
    let mut outcome = Vec::new();
    for (((fate, _), first), next) in FATES.into_iter().zip(first).zip(next) {
        let (first, next) = (Spread::of(first), Spread::of(next));
        let _ = writeln!(table, "| {fate} | {} | {} |", first.text(), next.text());
        outcome.push(json!({ "fate": fate, "first_ms": first.json(), "next_ms": next.json() }));
    }
    println!("`protected` by token, frozen for {FREEZE:?}, {rounds} rounds\n\n{table}");
    crate::write("frozen", &Value::from(outcome));
}

async fn round(cases: &Cases, share: &ProcessorShare, happen: fn(&RemoteTable)) -> [Duration; 2] {
    let case = cases.seen(cases.protected());
    let instance = share.start(&case.function).await.instance;
    for _ in 0..WARM_UP {
        ask(&instance, &case, &case.events[0]).await;
    }
    let process = i32::try_from(instance.process_id()).ok().and_then(Pid::from_raw);
    let process = process.expect("a process id");
    kill_process(process, Signal::STOP).expect("it runs");
    happen(cases.table());
    sleep(FREEZE).await;
    let mut times = [Duration::ZERO; 2];
    for time in &mut times {
        // As Lambda does, just before the event.
        let asked = Instant::now();
        kill_process(process, Signal::CONT).expect("it is there");
        ask(&instance, &case, &case.events[0]).await;
        *time = asked.elapsed();
    }
    times
}
