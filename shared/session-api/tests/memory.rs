//! An allocator keeps memory for the whole process, so this test has a process of its own.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::hint::black_box;

use session_api::memory;

/// The number of page faults of the process.
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    after_name.split_whitespace().nth(7).unwrap().parse().unwrap()
}

/// The page faults of 100 rounds that each allocate and free 6 buffers of 100 KB: 150 pages a round.
fn faults_of_invocations() -> u64 {
    let before = faults();
    for _ in 0..100 {
        drop(black_box([(); 6].map(|()| vec![1_u8; 100_000])));
    }
    faults() - before
}

#[test]
fn the_next_invocation_reuses_the_same_pages() {
    assert!(faults_of_invocations() > 10_000, "glibc gives them back");
    memory::raise_mmap_threshold();
    assert!(faults_of_invocations() < 5_000, "they are reused");
}
