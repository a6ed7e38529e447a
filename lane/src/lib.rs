//! The common case of httpipe's decode, compiled.

use pyo3::prelude::*;

#[pymodule]
mod _lane {
    /// Changes whenever what Python calls here changes: an extension of another version is left alone.
    #[pymodule_export]
    const VERSION: u32 = 1;
}
