//! The connections in the lane: by key, by when to look at them, and how many there are of what.

use crate::connection::Connection;
use crate::ends::Ends;
use crate::key::Key;
use crate::timers::{Id, Timers};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// SYNs without data that are remembered here; Python takes the oldest.
const MAX_OPENINGS: usize = 16_384;

/// A connection, and what the lane alone has to know of it.
pub struct Followed {
    pub connection: Connection,
    pub serial: u32,
    /// The second in which it is to be looked at, and the stamp with which it stands there.
    pub due: (u64, u64),
    pub patience: u32,
    /// How many exchanges there had been when it came here.
    pub since: u64,
    pub ends: Option<Arc<Ends>>,
    /// As Python knows it, where it does.
    pub known: Option<Py<PyAny>>,
    /// What a source said of it, as values of an exchange; None where that is to be asked for.
    pub told: Option<Py<PyTuple>>,
    /// Who owns its ends, as long as it has no data.
    pub owners: Vec<Py<PyAny>>,
}

pub struct Table {
    pub timers: Timers,
    /// Connections of which data has come.
    pub open: usize,
    /// Requests that are under way on them.
    pub busy: usize,
    pub held_bytes: usize,
    places: HashMap<Key, u32>,
    slots: Vec<Option<Box<Followed>>>,
    free: Vec<u32>,
    openings: VecDeque<Id>,
    serial: u32,
}

impl Table {
    pub fn new(timers: Timers) -> Table {
        Table {
            timers,
            open: 0,
            busy: 0,
            held_bytes: 0,
            places: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            openings: VecDeque::new(),
            serial: 0,
        }
    }

    /// The place of the connection that a key belongs to.
    pub fn find(&self, key: &Key) -> Option<u32> {
        self.places.get(&key.of_connection()).copied()
    }

    pub fn at(&mut self, place: u32) -> Option<&mut Followed> {
        self.slots.get_mut(place as usize)?.as_deref_mut()
    }

    pub fn ids(&self) -> Vec<Id> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(place, slot)| Some((u32::try_from(place).ok()?, slot.as_ref()?.serial)))
            .collect()
    }

    /// The connection of an id, unless it is gone.
    pub fn get(&self, (place, serial): Id) -> Option<&Followed> {
        self.slots
            .get(place as usize)?
            .as_deref()
            .filter(|followed| followed.serial == serial)
    }

    pub fn insert(&mut self, connection: Connection, patience: u32, known: Option<Py<PyAny>>) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.open += usize::from(connection.is_open());
        self.busy += connection.under_way();
        self.held_bytes += connection.held_bytes();
        let (key, since, serial) = (connection.key.of_connection(), connection.exchanges, self.serial);
        let followed = Some(Box::new(Followed {
            connection,
            serial,
            due: (0, 0),
            patience,
            since,
            ends: None,
            known,
            told: None,
            owners: Vec::new(),
        }));
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer connections than 2^32")
        });
        self.slots[place as usize] = followed;
        self.places.insert(key, place);
        place
    }

    pub fn remove(&mut self, place: u32) -> Option<Box<Followed>> {
        let followed = self.slots.get_mut(place as usize)?.take()?;
        let connection = &followed.connection;
        self.places.remove(&connection.key.of_connection());
        self.free.push(place);
        self.open -= usize::from(connection.is_open());
        self.busy -= connection.under_way();
        self.held_bytes -= connection.held_bytes();
        let slots = &self.slots;
        self.timers.sweep(self.open, |(place, serial), second| {
            slots[place as usize]
                .as_deref()
                .is_some_and(|followed| followed.serial == serial && followed.due.0 == second)
        });
        Some(followed)
    }

    /// Look at a connection in a second; `stamp` is of a time before now.
    pub fn look_at(&mut self, place: u32, second: u64, stamp: Option<u64>) {
        if let Some(followed) = self.slots[place as usize].as_deref_mut() {
            followed.due = self.timers.put((place, followed.serial), second, stamp);
        }
    }

    /// Connections to look at by now, with the second that they stand in.
    pub fn take_due(&mut self, now_ns: u64) -> Vec<u32> {
        let due = self.timers.take_due(now_ns);
        due.into_iter()
            .filter(|&(id, second)| self.get(id).is_some_and(|found| found.due.0 == second))
            .map(|(id, _)| id.0)
            .collect()
    }

    /// What stands first among the timers: the connection, its second and its stamp.
    pub fn first(&mut self) -> Option<(u32, (u64, u64))> {
        while let Some((id, place)) = self.timers.first() {
            if self.get(id).is_some_and(|followed| followed.due == place) {
                return Some((id.0, place));
            }
            self.timers.drop_first();
        }
        None
    }

    /// That connection, if it belongs there; else it is put where it does.
    pub fn look_at_first(&mut self) -> Option<u32> {
        let (place, (second, _)) = self.first()?;
        let last_ns = self.at(place)?.connection.last_ns;
        let asked = self.timers.first_look(last_ns);
        if asked <= second {
            return Some(place);
        }
        self.timers.drop_first();
        self.look_at(place, asked, None);
        None
    }

    /// Remember the order of openings; returns the oldest where there are too many.
    pub fn opened(&mut self, place: u32) -> Option<u32> {
        let serial = self.get_serial(place)?;
        self.openings.push_back((place, serial));
        if self.openings.len() <= MAX_OPENINGS {
            return None;
        }
        let oldest = self.openings.pop_front()?;
        self.get(oldest)
            .filter(|followed| !followed.connection.is_open())
            .map(|_| oldest.0)
    }

    fn get_serial(&self, place: u32) -> Option<u32> {
        Some(self.slots.get(place as usize)?.as_ref()?.serial)
    }

    /// The connection for which most is held.
    pub fn largest(&self) -> Option<u32> {
        let held = |slot: &Option<Box<Followed>>| slot.as_ref().map_or(0, |followed| followed.connection.held_bytes());
        let (place, _) = self.slots.iter().enumerate().max_by_key(|(_, slot)| held(slot))?;
        u32::try_from(place).ok()
    }
}
