//! Memory between calls.

/// Lets the process keep what a call frees. glibc's allocator would hand it back to the system as soon as 128 KiB are free,
/// and each list would get its buffers again page by page. What it keeps is twice the largest block that it has seen come
/// and go (`mallopt(3)`, `M_MMAP_THRESHOLD`), so it is shown one. Another allocator does not mind.
pub(crate) fn keep_what_is_freed() {
    const LARGEST: usize = 1 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST)));
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use std::hint::black_box;

    use super::*;

    /// How many pages the process has been given.
    fn faults() -> u64 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        after_name.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    /// What calls with six buffers of 100 KB cost: 150 pages each.
    fn faults_of_calls() -> u64 {
        let before = faults();
        for _ in 0..100 {
            drop(black_box([(); 6].map(|()| vec![1_u8; 100_000])));
        }
        faults() - before
    }

    #[test]
    fn the_next_call_gets_the_same_pages() {
        assert!(faults_of_calls() > 10_000, "glibc gives them back");
        keep_what_is_freed();
        assert!(faults_of_calls() < 5_000, "they are kept");
    }
}
