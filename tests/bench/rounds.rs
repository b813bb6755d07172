//! Runs the same measurements on every case, round by round.

use std::{
    borrow::Cow,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use local::emulator::lambda::{Function, Instance};
use serde_json::Value;
use shared::crypto::random::Random;

use crate::{
    figures::{Figures, Round},
    process_figures::{cpu_time, peak_memory},
    processor_share::{ProcessorShare, Started},
};

/// The number of requests before the measured ones.
pub(crate) const WARM_UP: usize = 30;

/// The number of measured requests in each round.
pub(crate) const REQUESTS: usize = 300;

/// The pause before each process start.
const PAUSE: Duration = Duration::from_millis(100);

/// One case to measure. The memory size of its function decides the share of a processor.
#[derive(Clone)]
pub(crate) struct Case {
    /// The name in the table.
    pub(crate) name: Cow<'static, str>,
    /// The function whose process is started.
    pub(crate) function: Function,
    /// The events to send, in rotation.
    pub(crate) events: Vec<Bytes>,
    /// A member of the response and its expected value, so that only correct responses are measured.
    pub(crate) expected: (&'static str, Value),
    /// Whether the program is the whole deployment package.
    pub(crate) is_whole: bool,
}

/// Measures `cases`, each with its share of a processor. The others are compared with the first.
pub(crate) async fn measure(cases: &[Case], share: &ProcessorShare, rounds: usize) -> Figures {
    let size = |case: &Case| case.is_whole.then(|| size_of_zip(&case.function.bootstrap));
    let mut figures = Figures::new(cases.iter().map(|case| (case.name.clone(), size(case))));
    for _ in 0..rounds {
        for index in shuffled(cases.len()) {
            // Background work of the previous case must have ended.
            tokio::time::sleep(PAUSE).await;
            figures.add(index, round(&cases[index], share).await);
        }
    }
    figures
}

/// The numbers below `length` in random order, so that no case always follows the same one.
pub(crate) fn shuffled(length: usize) -> Vec<usize> {
    let random = Random::system();
    let mut all: Vec<_> = (0..length).map(|index| (random.bytes::<8>(), index)).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, index)| index).collect()
}

async fn round(case: &Case, share: &ProcessorShare) -> Round {
    let mut events = case.events.iter().cycle();
    let mut next = || events.next().expect("a case has an event");
    let Started { instance, at, first_poll, cpu_before } = share.start(&case.function).await;
    ask(&instance, case, next()).await;
    let first_answer = at.elapsed();
    let cold_cpu = cpu_time(instance.process_id()) - cpu_before;

    for _ in 0..WARM_UP {
        ask(&instance, case, next()).await;
    }
    let before = cpu_time(instance.process_id());
    let mut durations: Vec<Duration> = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let asked = Instant::now();
        ask(&instance, case, next()).await;
        durations.push(asked.elapsed());
    }
    let warm_cpu = cpu_time(instance.process_id()) - before;
    durations.sort_unstable();
    let requests = u32::try_from(REQUESTS).expect("it is small");
    Round {
        first_poll,
        first_answer,
        cold_cpu,
        warm_median: durations[REQUESTS / 2],
        warm_p99: durations[REQUESTS * 99 / 100],
        billed: durations.iter().copied().map(billed).sum::<Duration>() / requests,
        warm_cpu: warm_cpu / requests,
        peak_memory: peak_memory(instance.process_id()),
    }
}

/// Lambda bills whole milliseconds.
fn billed(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_micros().div_ceil(1_000)).expect("it is short"))
}

/// Sends `event` to `instance` and checks the response against `case`.
pub(crate) async fn ask(instance: &Instance, case: &Case, event: &Bytes) {
    let answer = instance.invoke(event.clone()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let (member, expected) = &case.expected;
    let found = serde_json::from_slice::<Value>(&answer).map(|answer| answer[*member].clone());
    assert!(
        found.is_ok_and(|found| found == *expected),
        "{}: {}",
        case.name,
        String::from_utf8_lossy(&answer)
    );
}

/// The size of a zip as SAM makes it: deflated, by Python.
fn size_of_zip(program: &Path) -> u64 {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (zip, bootstrap) = (folder.path().join("function.zip"), folder.path().join("bootstrap"));
    std::fs::copy(program, &bootstrap).expect("the program can be read");
    let mut command = std::process::Command::new("python3");
    command.args(["-m", "zipfile", "--create"]).arg(&zip).arg(&bootstrap);
    assert!(command.status().expect("Python is there").success(), "{command:?}");
    std::fs::metadata(&zip).expect("it was packed").len()
}
