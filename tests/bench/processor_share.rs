//! A share of a processor, as Lambda gives it: all of it until a process asks for its first event, and
//! then what its memory size buys.
//!
//! The share is the quota of a control group. AWS documents the share alone; the period of 20 ms is what
//! published measurements of Lambda found. Within a period, a process runs at full speed until its quota
//! is used up.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

use crate::process_figures::cpu_time;

/// The memory that comes with one processor, in MB.
const WHOLE: u32 = 1_769;

/// In microseconds.
const PERIOD: u32 = 20_000;

/// A control group for one process at a time.
pub(crate) struct ProcessorShare {
    group: PathBuf,
    /// Whether it is a group of version 2, with one file for quota and period.
    is_unified: bool,
}

impl ProcessorShare {
    /// Makes a control group, and checks by a busy process that its quota works.
    ///
    /// Panics if this user may not: it takes root, or a delegated group.
    pub(crate) fn new() -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
        let is_unified = controllers.split_whitespace().any(|name| name == "cpu");
        if is_unified {
            write(&root.join("cgroup.subtree_control"), "+cpu");
        }
        let parent = if is_unified { root.to_owned() } else { root.join("cpu") };
        let group = parent.join(format!("bench-{}", process::id()));
        fs::create_dir(&group)
            .unwrap_or_else(|error| panic!("{} cannot be made: {error}", group.display()));
        let share = Self { group, is_unified };
        share.check();
        share
    }

    /// Adds a process, which gets the whole processor until [`limit`](Self::limit).
    pub(crate) fn add(&self, process: u32) {
        self.set_quota(None);
        write(&self.group.join("cgroup.procs"), &process.to_string());
    }

    /// From now on, the process gets what `memory` MB buy.
    pub(crate) fn limit(&self, memory: u32) {
        self.set_quota((memory < WHOLE).then(|| PERIOD * memory / WHOLE));
    }

    fn set_quota(&self, quota: Option<u32>) {
        let group = &self.group;
        if self.is_unified {
            let quota = quota.map_or("max".to_owned(), |quota| quota.to_string());
            write(&group.join("cpu.max"), &format!("{quota} {PERIOD}"));
        } else {
            let quota = quota.map_or("-1".to_owned(), |quota| quota.to_string());
            write(&group.join("cpu.cfs_period_us"), &PERIOD.to_string());
            write(&group.join("cpu.cfs_quota_us"), &quota);
        }
    }

    fn check(&self) {
        let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh");
        for memory in [256, 512] {
            self.add(busy.id());
            self.limit(memory);
            let (before, started) = (cpu_time(busy.id()), Instant::now());
            thread::sleep(Duration::from_secs(1));
            let used = (cpu_time(busy.id()) - before).as_secs_f64();
            let share = used / started.elapsed().as_secs_f64();
            let expected = f64::from(memory) / f64::from(WHOLE);
            println!("{memory} MB: a busy process gets {share:.3} of a processor");
            assert!((share / expected - 1.0).abs() < 0.1, "{expected:.3} was set");
        }
        busy.kill().expect("it runs");
        busy.wait().expect("it ends");
    }
}

impl Drop for ProcessorShare {
    fn drop(&mut self) {
        // A process that has just been killed may still be in it.
        let _ = fs::remove_dir(&self.group);
    }
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
