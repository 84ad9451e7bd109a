//! What the building blocks of many cores promise, from outside.

mod router;
