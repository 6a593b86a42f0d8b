//! The memory of one query: a part of the engine's memory with a limit of its own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::resources_err;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

/// Memory of a pool, up to a limit.
#[derive(Debug)]
pub(crate) struct Budget {
    pool: Arc<dyn MemoryPool>,
    limit: usize,
    used: AtomicUsize,
    most: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(pool: Arc<dyn MemoryPool>, limit: usize) -> Budget {
        Budget {
            pool,
            limit,
            used: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }
}

impl Budget {
    /// The most that was held at one time.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Takes memory, however much is taken; gives what is taken now.
    fn take(&self, additional: usize) -> usize {
        let used = self.used.fetch_add(additional, Ordering::Relaxed).saturating_add(additional);
        self.most.fetch_max(used, Ordering::Relaxed);
        used
    }
}

/// As errors name it.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query({} of {})", self.reserved(), self.limit)
    }
}

impl MemoryPool for Budget {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.pool.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.pool.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.grow(reservation, additional);
        self.take(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.pool.shrink(reservation, shrink);
        self.used.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let used = self.used.load(Ordering::Relaxed);
        if used.saturating_add(additional) > self.limit {
            let name = reservation.consumer().name();
            return resources_err!("{name} asked for {additional} bytes, {used} of {} are taken", self.limit);
        }
        self.pool.try_grow(reservation, additional)?;
        self.take(additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}
