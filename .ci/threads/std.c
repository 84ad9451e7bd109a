// Tells the thread sanitizer what the standard library does between threads: as it is delivered, it is compiled without the
// sanitizer, which then takes what its locks and counters order for a race.
//
// The linker puts each `__wrap_` in the place of the function itself, which is then called `__real_`. Nothing else is changed, and
// no order is claimed that the language does not promise. `STD_*` are the mangled names of the installed toolchain.

#include <stdbool.h>
#include <stdint.h>

void __tsan_acquire(void *place);
void __tsan_release(void *place);

// The values of C++'s memory_order.
enum { ACQUIRE = 2 };

// The sanitizer knows no fences. `Arc` counts down with Release and, at zero, makes an acquire fence: what came before it at this
// counter is seen. So does `Arc::try_unwrap`, with an exchange.
static _Thread_local void *last_changed;

uint64_t __real___tsan_atomic64_fetch_sub(volatile uint64_t *place, uint64_t less, int order);
uint64_t __wrap___tsan_atomic64_fetch_sub(volatile uint64_t *place, uint64_t less, int order) {
    last_changed = (void *)place;
    return __real___tsan_atomic64_fetch_sub(place, less, order);
}

uint64_t __real___tsan_atomic64_compare_exchange_val(volatile uint64_t *place, uint64_t is, uint64_t becomes, int order, int else_order);
uint64_t __wrap___tsan_atomic64_compare_exchange_val(volatile uint64_t *place, uint64_t is, uint64_t becomes, int order, int else_order) {
    last_changed = (void *)place;
    return __real___tsan_atomic64_compare_exchange_val(place, is, becomes, order, else_order);
}

void __real___tsan_atomic_thread_fence(int order);
void __wrap___tsan_atomic_thread_fence(int order) {
    if (order == ACQUIRE && last_changed) __tsan_acquire(last_changed);
    last_changed = 0;
    __real___tsan_atomic_thread_fence(order);
}

// `Mutex::lock` where somebody else has the lock: whoever gets it sees what was done under it.
void real_lock(void *futex) __asm__("__real_" STD_LOCK_CONTENDED);
void wrap_lock(void *futex) __asm__("__wrap_" STD_LOCK_CONTENDED);
void wrap_lock(void *futex) {
    real_lock(futex);
    __tsan_acquire(futex);
}

// `Once::call`, of `OnceLock` and `LazyLock`: whoever finds it complete sees what was made. It marks itself complete as soon as `make`
// has returned, so we come between: a `&mut dyn FnMut(&OnceState)` is a place and a table (drop, size, align, call_once, call_mut).
typedef void call_mut(void *self, void *state);
struct make { void *self; call_mut *call; void *once; };
static void make_and_release(void *self, void *state) {
    struct make *make = self;
    make->call(make->self, state);
    __tsan_release(make->once);
}

void real_once(void *once, bool poisoned, void *self, void **table, void *caller) __asm__("__real_" STD_ONCE_CALL);
void wrap_once(void *once, bool poisoned, void *self, void **table, void *caller) __asm__("__wrap_" STD_ONCE_CALL);
void wrap_once(void *once, bool poisoned, void *self, void **table, void *caller) {
    struct make make = { self, (call_mut *)table[4], once };
    void *ours[5] = { table[0], table[1], table[2], table[3], (void *)make_and_release };
    real_once(once, poisoned, &make, ours, caller);
    // Somebody else may have made it.
    __tsan_acquire(once);
}

// The end of a thread of `thread::scope`, which waits until the counter in the first words of its data is zero.
void real_end(void *scope, bool panicked) __asm__("__real_" STD_SCOPE_THREAD_ENDS);
void wrap_end(void *scope, bool panicked) __asm__("__wrap_" STD_SCOPE_THREAD_ENDS);
void wrap_end(void *scope, bool panicked) {
    __tsan_release(scope);
    __tsan_release((char *)scope + 8);
    real_end(scope, panicked);
}
