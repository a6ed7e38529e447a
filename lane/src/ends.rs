//! The endpoints of a connection, and what a source said of it.

use crate::connection::Connection;
use crate::grammar::Grammar;
use crate::maker::Maker;
use crate::table::Followed;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple};
use std::sync::{Arc, OnceLock};

/// As `pipeline.model.connection.Names` has them; shared by all exchanges of the connection.
pub struct Ends {
    pub maker: Arc<Maker>,
    pub client_address: Box<str>,
    pub client_port: u16,
    pub server_address: Box<str>,
    pub server_port: u16,
    pub network_type: &'static str,
    pub id: Box<str>,
    pub id_object: PyOnceLock<Py<PyString>>,
    pub said: OnceLock<Said>,
}

/// What all exchanges of the connection say in JSON, for each run of the grammar's parts.
pub struct Said {
    pub grammar: Arc<Grammar>,
    pub runs: Vec<Vec<u8>>,
}

/// Makes them, and asks Python's connection what a source said of it.
pub struct About {
    maker: Arc<Maker>,
    connection: Py<PyAny>,
    tell: Py<PyAny>,
}

impl About {
    /// `tell(connection)` gives what a source said of a connection, as values of an exchange.
    pub fn new(py: Python<'_>, maker: Arc<Maker>, tell: Py<PyAny>) -> PyResult<About> {
        let connection = py.import("pipeline.model.connection")?.getattr("Connection")?.unbind();
        Ok(About { maker, connection, tell })
    }

    /// The ends of a connection that is followed; it then knows them, and what a source said of it.
    pub fn followed(&self, py: Python<'_>, followed: &mut Followed) -> PyResult<Arc<Ends>> {
        let ends = match &followed.ends {
            Some(ends) => ends.clone(),
            None => self.ends(py, &followed.connection, followed.known.as_ref())?,
        };
        followed.ends = Some(ends.clone());
        if let (None, Some(known)) = (&followed.told, &followed.known) {
            followed.told = Some(self.told(known.bind(py))?.unbind());
        }
        Ok(ends)
    }

    /// `known` is the connection where Python has made it already.
    pub fn ends(&self, py: Python<'_>, of: &Connection, known: Option<&Py<PyAny>>) -> PyResult<Arc<Ends>> {
        if let (Some(([client, server], [client_port, server_port])), None) = (of.key.ipv4(), known) {
            let (client, server) = (client.to_string(), server.to_string());
            let suffix = if of.generation == 0 {
                String::new()
            } else {
                format!("-{}", of.generation)
            };
            return Ok(Arc::new(Ends {
                maker: self.maker.clone(),
                id: format!("{client}:{client_port}-{server}:{server_port}{suffix}").into(),
                client_address: client.into(),
                client_port,
                server_address: server.into(),
                server_port,
                network_type: "ipv4",
                id_object: PyOnceLock::new(),
                said: OnceLock::new(),
            }));
        }
        let connection = match known {
            Some(known) => known.bind(py).clone(),
            None => self.known(py, of)?,
        };
        let mut names = connection.getattr("names")?;
        if names.is_none() {
            names = connection.call_method0("name")?;
        }
        Ok(Arc::new(Ends {
            maker: self.maker.clone(),
            client_address: names.getattr("client_address")?.extract::<String>()?.into(),
            client_port: names.getattr("client_port")?.extract()?,
            server_address: names.getattr("server_address")?.extract::<String>()?.into(),
            server_port: names.getattr("server_port")?.extract()?,
            network_type: if of.key.ipv4().is_some() { "ipv4" } else { "ipv6" },
            id: names.getattr("id")?.extract::<String>()?.into(),
            id_object: PyOnceLock::new(),
            said: OnceLock::new(),
        }))
    }

    /// The connection as Python has it, which knows nothing yet.
    pub fn known<'py>(&self, py: Python<'py>, of: &Connection) -> PyResult<Bound<'py, PyAny>> {
        let values = (PyBytes::new(py, of.key.raw()), of.last_ns, of.generation);
        self.connection.bind(py).call1(values)
    }

    /// What a source said of a connection.
    pub fn told<'py>(&self, known: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
        let py = known.py();
        if !known.getattr(intern!(py, "known"))?.is_truthy()? {
            return Ok(PyTuple::empty(py));
        }
        Ok(self.tell.bind(py).call1((known,))?.cast_into()?)
    }
}
