//! The common case of httpipe's decode, compiled: plain HTTP/1 and HTTP/2 on connections of which nothing is missing.
//!
//! What it does not keep goes to the Python decoder in order (`decoder`, `connection`), which alone decides about doubtful traffic.

mod border;
mod capture;
mod chunks;
mod clock;
mod connection;
mod decoder;
mod ends;
mod events;
mod exchange;
mod fields;
mod frames;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod grammar;
mod head;
mod held;
mod http1;
mod http2;
mod json;
mod json_members;
mod json_text;
mod key;
mod known;
mod lane;
mod line;
mod maker;
mod message;
mod options;
mod records;
mod seen;
mod segment;
mod table;
mod timers;

use pyo3::prelude::*;

#[pymodule]
mod _lane {
    use super::{Bound, PyModule, PyModuleMethods, PyResult};
    use pyo3::panic::PanicException;
    use pyo3::types::PySequence;

    /// Changes whenever what Python calls here changes: an extension of another version is left alone.
    #[pymodule_export]
    const VERSION: u32 = 9;

    #[pymodule_export]
    use crate::capture::{classic, dissect, ring};
    #[pymodule_export]
    use crate::events::Events;
    #[pymodule_export]
    use crate::json::JsonLines;
    #[pymodule_export]
    use crate::lane::Lane;
    #[pymodule_export]
    use crate::records::Records;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        PySequence::register::<crate::events::Events>(module.py())?;
        PySequence::register::<crate::records::Records>(module.py())?;
        module.add("MAX_CAPTURED", crate::capture::MAX_CAPTURED)?;
        module.add("MAX_ENDED", crate::known::MAX_ENDED)?;
        module.add("RESET_WINDOW", crate::connection::RESET_WINDOW)?;
        module.add("METHODS", crate::head::METHODS)?;
        module.add("SECRETS", crate::head::SECRETS)?;
        module.add("PanicException", module.py().get_type::<PanicException>())
    }
}
