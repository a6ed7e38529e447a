//! What Python remembers of connections that are not in the lane, and of those that were.

use crate::connection::Connection;
use crate::http2::frames::may_be_frames;
use crate::key::Key;
use crate::segment::{Segment, UNUSUAL};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

/// As `pipeline.decode.transport.recently_closed.MAX_ENDED`.
pub const MAX_ENDED: usize = 4096;

/// By key.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Known {
    /// The directions that it follows.
    directions: Py<PyDict>,
    openings: Py<PyDict>,
    /// In place of an opening: a direction whose bytes nobody can read.
    not_http: Py<PyAny>,
    /// Directions that have ended, with the number of the SYN and the last byte.
    ended: Py<PyDict>,
    let_go: Py<PyDict>,
    /// What sources said of connections that are not followed.
    announced: Vec<Py<PyDict>>,
    /// The class of a connection that is handed over at rest.
    pub clean: Py<PyAny>,
    /// The class of a record that says who owns an end of a connection.
    pub owner: Py<PyAny>,
}

impl Known {
    /// How many connections Python follows.
    pub fn open(&self, py: Python<'_>) -> usize {
        self.directions.bind(py).len() / 2
    }

    /// Whether a segment of a connection that is not in the lane says nothing.
    pub fn passes_by(&self, py: Python<'_>, seg: &Segment, payload: &[u8]) -> PyResult<bool> {
        if seg.flags & UNUSUAL != 0 {
            return Ok(false);
        }
        let (directions, key) = (self.directions.bind(py), PyBytes::new(py, seg.key.raw()));
        if seg.length == 0 && !directions.contains(&key)? {
            return Ok(true);
        }
        // No message begins so in the middle of what nobody reads.
        let begins = |first: &u8| first.is_ascii_alphabetic() || b"\r\n".contains(first);
        if payload.first().is_none_or(begins) || may_be_frames(payload) {
            return Ok(false);
        }
        let opening = self.openings.bind(py).get_item(&key)?;
        let unread = opening.is_some_and(|opening| opening.is(&self.not_http));
        Ok(unread && !directions.contains(&key)? && !self.let_go.bind(py).contains(&key)?)
    }

    /// Whether there is anything of a connection, whose directions have these keys.
    pub fn remembers(&self, py: Python<'_>, key: &Key) -> PyResult<bool> {
        let (key, back) = (PyBytes::new(py, key.raw()), PyBytes::new(py, key.reverse().raw()));
        for remembered in [&self.directions, &self.openings, &self.ended, &self.let_go]
            .into_iter()
            .chain(&self.announced)
        {
            let remembered = remembered.bind(py);
            if !remembered.is_empty() && (remembered.contains(&key)? || remembered.contains(&back)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A connection of the lane is over.
    pub fn ends(&self, py: Python<'_>, connection: &Connection) -> PyResult<()> {
        let ended = self.ended.bind(py);
        for (key, next) in [
            (connection.key, connection.next[0]),
            (connection.key.reverse(), connection.next[1]),
        ] {
            if ended.len() >= MAX_ENDED {
                ended.clear();
            }
            ended.set_item(PyBytes::new(py, key.raw()), (connection.generation, next))?;
        }
        Ok(())
    }
}
