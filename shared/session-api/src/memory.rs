//! Memory between invocations.

/// Makes the process keep the memory that an invocation frees. By default, glibc's allocator returns memory to the system as soon
/// as 128 KiB are free, and each list would get its buffers again page by page. The allocator keeps twice the size of the largest
/// block that it has seen freed (`mallopt(3)`, `M_MMAP_THRESHOLD`), so this function allocates and frees a large one. Other
/// allocators are not affected.
pub fn raise_mmap_threshold() {
    const LARGEST: usize = 1 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST)));
}
