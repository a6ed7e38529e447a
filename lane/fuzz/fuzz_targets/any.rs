//! Any bytes, as a frame, as a JSON line, or as segments: the first one says which.

#![no_main]

use _lane::fuzzing::{frame, line, segments};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    match data {
        [b'f', data @ ..] => frame(data),
        [b'l', data @ ..] => line(data),
        [_, data @ ..] => segments(data),
        [] => {}
    }
});
