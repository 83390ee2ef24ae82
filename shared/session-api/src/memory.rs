//! Memory between calls.

/// Lets the process keep what a call frees. glibc's allocator would hand it back to the system as soon as 128 KiB are free,
/// and each list would get its buffers again page by page. What it keeps is twice the largest block that it has seen come
/// and go (`mallopt(3)`, `M_MMAP_THRESHOLD`), so it is shown one. Another allocator does not mind.
pub fn raise_mmap_threshold() {
    const LARGEST: usize = 1 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST)));
}
