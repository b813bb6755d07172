//! Process figures from the kernel.

use std::{fs, time::Duration};

/// The CPU time of all threads.
pub(crate) fn cpu_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let nanoseconds = threads.map(|thread| {
        let file = thread.expect("it is listed").path().join("schedstat");
        let text = fs::read_to_string(file).expect("the kernel accounts for it");
        let first = text.split(' ').next().expect("it holds three numbers");
        first.parse::<u64>().expect("nanoseconds")
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The peak resident memory in bytes.
pub(crate) fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel reports it");
    let kilobytes = line.trim().strip_suffix(" kB").expect("in kB");
    kilobytes.parse::<u64>().expect("a number") * 1024
}
