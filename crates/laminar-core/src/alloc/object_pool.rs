//! A fixed number of things that are made once and used again.

/// At most `N` free objects. For one thread; nothing is allocated after it was made.
///
/// ```
/// use laminar_core::alloc::ObjectPool;
///
/// let mut pool = ObjectPool::<Vec<u8>, 2>::new();
/// let (first, second) = (pool.acquire().unwrap(), pool.acquire().unwrap());
/// assert!(pool.acquire().is_none(), "both are in use");
/// pool.release(first);
/// assert_eq!(pool.available(), 1);
/// # pool.release(second);
/// ```
#[derive(Debug)]
pub struct ObjectPool<T, const N: usize> {
    free: Vec<T>,
}

impl<T: Default, const N: usize> ObjectPool<T, N> {
    /// A pool with `N` objects as [`Default`] makes them.
    pub fn new() -> Self {
        Self::filled_by(T::default)
    }
}

impl<T: Default, const N: usize> Default for ObjectPool<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> ObjectPool<T, N> {
    /// A pool with `N` objects that `make` makes.
    pub fn filled_by(make: impl FnMut() -> T) -> Self {
        Self { free: std::iter::repeat_with(make).take(N).collect() }
    }

    /// Takes a free object, the one that was used last (its memory is warm), as it was when it was given back. `None`: all
    /// are in use.
    #[inline]
    pub fn acquire(&mut self) -> Option<T> {
        self.free.pop()
    }

    /// Gives an object back. It is not cleaned. One more than `N` is dropped.
    #[inline]
    pub fn release(&mut self, object: T) {
        if self.free.len() < N {
            self.free.push(object);
        }
    }

    /// How many are free.
    pub fn available(&self) -> usize {
        self.free.len()
    }

    /// How many there are: `N`.
    pub const fn capacity(&self) -> usize {
        N
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_comes_back_as_it_was_given_back() {
        let mut pool = ObjectPool::<Vec<u8>, 1>::filled_by(|| Vec::with_capacity(100));
        let mut buffer = pool.acquire().unwrap();
        buffer.push(7);
        let place = buffer.as_ptr();
        pool.release(buffer);
        let buffer = pool.acquire().unwrap();
        assert_eq!((buffer.as_ptr(), buffer), (place, vec![7]));
    }

    #[test]
    fn a_pool_never_holds_more_than_it_was_made_for() {
        let mut pool = ObjectPool::<u8, 2>::new();
        (0..5).for_each(|object| pool.release(object));
        assert_eq!((pool.available(), pool.capacity()), (2, 2));
        assert_eq!([pool.acquire(), pool.acquire(), pool.acquire()], [Some(0), Some(0), None]);
        assert_eq!(ObjectPool::<u8, 0>::new().acquire(), None);
    }
}
