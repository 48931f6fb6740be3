//! As much of SQLite's file format as it takes to read the last rows of a plain table: <https://www.sqlite.org/fileformat2.html>.
//! A library for it would be C code of some megabytes, or take a database's whole machinery; a few pages are all that we want.
//!
//! Nothing is locked: whoever writes is not held up. What is read while somebody writes does not count, and is read again later.

use std::cell::Cell;

use super::Root;

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Of the header that the first page begins with.
const HEADER_BYTES: usize = 100;
/// The most pages that are looked at for one answer, the deepest tree, the longest row.
const PAGES_MAX: u32 = 4096;
const DEPTH_MAX: u32 = 16;
const ROW_BYTES_MAX: u64 = 1 << 16;

/// Why a file cannot be read as a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqliteError {
    /// It cannot be opened.
    #[error("cannot be read")]
    Unreadable,
    /// Something else.
    #[error("is not an SQLite database")]
    NotSqlite,
    /// What is new lies in another file.
    #[error("keeps a write-ahead log, which is not read")]
    Ahead,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// Nothing, or what nobody here asks for.
    Other,
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its number, which grows from row to row.
    pub id: i64,
    values: Vec<Value>,
}

/// A table's rows and the names of its columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    columns: Vec<String>,
    /// In the order of their numbers.
    pub rows: Vec<Row>,
}

impl Rows {
    /// The value of a row in a column.
    pub fn value<'a>(&self, row: &'a Row, column: &str) -> Option<&'a Value> {
        row.values.get(self.columns.iter().position(|name| name == column)?)
    }

    /// A whole number.
    pub fn int(&self, row: &Row, column: &str) -> Option<i64> {
        match self.value(row, column)? {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }
}

/// What changes with every change of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(Vec<u8>, u64);

/// A database as it is at one moment.
pub struct Database<'a> {
    root: &'a Root,
    path: &'a str,
    state: State,
    page_bytes: u64,
    /// Of a page, what is reserved for others taken away.
    usable: usize,
    looked_at: Cell<u32>,
}

/// A page of a tree and where its own header begins.
struct Page {
    bytes: Vec<u8>,
    header: usize,
}

/// A table: the page that its tree begins with, and the text that made it.
struct Table {
    first_page: u64,
    sql: String,
}

impl<'a> Database<'a> {
    /// Opens it.
    pub fn open(root: &'a Root, path: &'a str) -> Result<Self, SqliteError> {
        let state = state(root, path).ok_or(SqliteError::Unreadable)?;
        let header = &state.0;
        if header.len() < HEADER_BYTES || !header.starts_with(MAGIC) {
            return Err(SqliteError::NotSqlite);
        }
        if header[18..20].contains(&2) {
            return Err(SqliteError::Ahead);
        }
        let page_bytes = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
            1 => 1 << 16,
            bytes @ 512..=32_768 if bytes.is_power_of_two() => bytes,
            _ => return Err(SqliteError::NotSqlite),
        };
        let usable = page_bytes as usize - usize::from(header[20]);
        Ok(Self { root, path, state, page_bytes, usable, looked_at: Cell::new(0) })
    }

    /// What it is now; another after the next change.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The rows of a table whose numbers are above `after`; `None` while somebody writes, or if it has no such table.
    pub fn rows_after(&self, table: &str, after: i64) -> Option<Rows> {
        let Table { first_page, sql } = self.table(table)?;
        let mut rows = Vec::new();
        self.collect(first_page, after, DEPTH_MAX, &mut rows)?;
        self.is_settled().then(|| Rows { columns: columns(&sql), rows })
    }

    /// The number of the last row; 0 without any.
    pub fn last_row(&self, table: &str) -> Option<i64> {
        let mut page = self.page(self.table(table)?.first_page)?;
        for _ in 0..DEPTH_MAX {
            if page.is_leaf()? {
                let last = page.cells()?.last().copied();
                let (_, id, _) = last.map_or(Some((0, 0, 0)), |at| page.row_at(at))?;
                return self.is_settled().then_some(id);
            }
            page = self.page(page.rightmost()?)?;
        }
        None
    }

    /// Whether it is what it was, and nobody is about to change it.
    fn is_settled(&self) -> bool {
        let writing = self.root.size(&format!("{}-journal", self.path)).is_some_and(|bytes| bytes > 0);
        !writing && state(self.root, self.path).is_some_and(|now| now == self.state)
    }

    fn table(&self, name: &str) -> Option<Table> {
        let mut rows = Vec::new();
        self.collect(1, i64::MIN, DEPTH_MAX, &mut rows)?;
        rows.into_iter().find_map(|row| match &row.values[..] {
            [Value::Text(kind), Value::Text(own), _, Value::Int(page), Value::Text(sql)]
                if kind == "table" && own == name =>
            {
                Some(Table { first_page: u64::try_from(*page).ok()?, sql: sql.clone() })
            }
            _ => None,
        })
    }

    /// Adds the rows of a tree that are above `after`.
    fn collect(&self, number: u64, after: i64, depth: u32, rows: &mut Vec<Row>) -> Option<()> {
        let page = self.page(number)?;
        let deeper = depth.checked_sub(1)?;
        let leaf = page.is_leaf()?;
        for mut at in page.cells()? {
            if leaf {
                let (length, id, from) = page.row_at(at)?;
                if id > after {
                    rows.push(Row { id, values: values(&self.payload(&page, from, length)?)? });
                }
            } else {
                let child = u64::from(big_endian(page.bytes.get(at..at + 4)?));
                at += 4;
                if varint(&page.bytes, &mut at)? as i64 > after {
                    self.collect(child, after, deeper, rows)?;
                }
            }
        }
        if leaf { Some(()) } else { self.collect(page.rightmost()?, after, deeper, rows) }
    }

    fn page(&self, number: u64) -> Option<Page> {
        self.looked_at.set(self.looked_at.get() + 1);
        let end = number.checked_mul(self.page_bytes).filter(|&end| number > 0 && end <= self.state.1)?;
        if self.looked_at.get() > PAGES_MAX {
            return None;
        }
        let bytes = self.root.before(self.path, end, self.page_bytes)?;
        let header = if number == 1 { HEADER_BYTES } else { 0 };
        (bytes.len() as u64 == self.page_bytes).then_some(Page { bytes, header })
    }

    /// A row's bytes, those in pages of their own too.
    fn payload(&self, page: &Page, at: usize, length: u64) -> Option<Vec<u8>> {
        let length = usize::try_from(length).ok().filter(|&length| length as u64 <= ROW_BYTES_MAX)?;
        let (most, least) = (self.usable - 35, (self.usable - 12) * 32 / 255 - 23);
        let here = match length {
            length if length <= most => length,
            length => Some(least + (length - least) % (self.usable - 4)).filter(|&own| own <= most).unwrap_or(least),
        };
        let mut bytes = page.bytes.get(at..at + here)?.to_vec();
        let mut next = if here < length { big_endian(page.bytes.get(at + here..at + here + 4)?) } else { 0 };
        while bytes.len() < length {
            let more = self.page(u64::from(next))?;
            next = big_endian(&more.bytes[..4]);
            let left = (length - bytes.len()).min(self.usable - 4);
            bytes.extend_from_slice(more.bytes.get(4..4 + left)?);
        }
        Some(bytes)
    }
}

impl Page {
    /// Whether it has rows rather than pages below it; `None` if it is of no table's tree.
    fn is_leaf(&self) -> Option<bool> {
        match self.bytes.get(self.header)? {
            0x0d => Some(true),
            0x05 => Some(false),
            _ => None,
        }
    }

    /// Where its cells begin, in order.
    fn cells(&self) -> Option<Vec<usize>> {
        let count = usize::from(u16::from_be_bytes(self.bytes.get(self.header + 3..self.header + 5)?.try_into().ok()?));
        let first = self.header + if self.is_leaf()? { 8 } else { 12 };
        let places = self.bytes.get(first..first + 2 * count)?;
        Some(places.chunks_exact(2).map(|place| usize::from(u16::from_be_bytes([place[0], place[1]]))).collect())
    }

    /// The length of a row, its number and where it begins.
    fn row_at(&self, mut at: usize) -> Option<(u64, i64, usize)> {
        let length = varint(&self.bytes, &mut at)?;
        Some((length, varint(&self.bytes, &mut at)? as i64, at))
    }

    /// The page below it that has the last rows.
    fn rightmost(&self) -> Option<u64> {
        Some(u64::from(big_endian(self.bytes.get(self.header + 8..self.header + 12)?)))
    }
}

fn state(root: &Root, path: &str) -> Option<State> {
    Some(State(root.head(path, HEADER_BYTES as u64)?, root.size(path)?))
}

/// The names of the columns in the text that made a table.
fn columns(sql: &str) -> Vec<String> {
    let inside = sql.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
    inside.split(',').filter_map(|column| column.split_whitespace().next()).map(str::to_owned).collect()
}

/// The values of a row.
fn values(row: &[u8]) -> Option<Vec<Value>> {
    let mut at = 0;
    let header = usize::try_from(varint(row, &mut at)?).ok()?;
    let mut values = Vec::new();
    let mut from = header;
    while at < header {
        let kind = varint(row, &mut at)?;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        let bytes = row.get(from..from.checked_add(length)?)?;
        from += length;
        values.push(match kind {
            8 | 9 => Value::Int(kind as i64 - 8),
            1..=6 => Value::Int(signed(bytes)),
            13.. if kind % 2 == 1 => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
            _ => Value::Other,
        });
    }
    Some(values)
}

fn signed(bytes: &[u8]) -> i64 {
    let sign = if bytes[0] >= 0x80 { -1 } else { 0 };
    bytes.iter().fold(sign, |number, &byte| number << 8 | i64::from(byte))
}

fn big_endian(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// A number of 7 bits a byte, at most nine of them; `at` is moved behind it.
fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0;
    for n in 0..9 {
        let byte = u64::from(*bytes.get(*at)?);
        *at += 1;
        if n == 8 {
            return Some(number << 8 | byte);
        }
        number = number << 7 | byte & 0x7f;
        if byte < 0x80 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
pub mod tests {
    use std::fs;

    use super::*;

    const PAGE_BYTES: usize = 4096;

    fn written_varint(number: u64) -> Vec<u8> {
        let mut bytes = vec![number as u8 & 0x7f];
        let mut rest = number >> 7;
        while rest > 0 {
            bytes.insert(0, rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes
    }

    fn written_row(id: i64, values: &[Value]) -> Vec<u8> {
        let (mut kinds, mut body) = (Vec::new(), Vec::new());
        for value in values {
            match value {
                Value::Int(number) => {
                    kinds.push(6);
                    body.extend(number.to_be_bytes());
                }
                Value::Text(text) => {
                    kinds.extend(written_varint(13 + 2 * text.len() as u64));
                    body.extend(text.as_bytes());
                }
                Value::Other => kinds.push(0),
            }
        }
        let row = [vec![kinds.len() as u8 + 1], kinds, body].concat();
        [written_varint(row.len() as u64), written_varint(id as u64), row].concat()
    }

    fn leaf(header: usize, rows: &[Vec<u8>]) -> Vec<u8> {
        let mut page = vec![0; PAGE_BYTES];
        page[header] = 0x0d;
        page[header + 3..header + 5].copy_from_slice(&(rows.len() as u16).to_be_bytes());
        let mut end = PAGE_BYTES;
        for (n, row) in rows.iter().enumerate() {
            end -= row.len();
            page[end..end + row.len()].copy_from_slice(row);
            page[header + 8 + 2 * n..header + 10 + 2 * n].copy_from_slice(&(end as u16).to_be_bytes());
        }
        page
    }

    /// A database with one table, whose rows are numbered from 1 and fit into a page.
    pub fn database(table: &str, columns: &[&str], rows: &[Vec<Value>]) -> Vec<u8> {
        let text = |text: &str| Value::Text(text.to_owned());
        let sql = format!("CREATE TABLE {table} ({})", columns.join(" INTEGER, "));
        let made = [text("table"), text(table), text(table), Value::Int(2), text(&sql)];
        let mut bytes = leaf(HEADER_BYTES, &[written_row(1, &made)]);
        bytes[..16].copy_from_slice(MAGIC);
        bytes[16..18].copy_from_slice(&(PAGE_BYTES as u16).to_be_bytes());
        bytes[18..20].fill(1);
        bytes[24..28].copy_from_slice(&(rows.len() as u32).to_be_bytes());
        let rows: Vec<Vec<u8>> = (1..).zip(rows).map(|(id, values)| written_row(id, values)).collect();
        bytes.extend(leaf(0, &rows));
        bytes
    }

    fn opened<T>(bytes: &[u8], look: impl Fn(&Database<'_>) -> T) -> Result<T, SqliteError> {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("x.db"), bytes).expect("writable");
        let root = Root::at(folder.path());
        Database::open(&root, "/x.db").map(|database| look(&database))
    }

    /// Made by SQLite itself: `tests/fixtures/rasdaemon/make.py`.
    const MADE: &[u8] = include_bytes!("../../tests/fixtures/rasdaemon/ras-mc_event.db");

    #[test]
    fn a_database_of_sqlites_own_is_read_page_by_page() {
        let all = opened(MADE, |database| database.rows_after("mce_record", 0)).expect("sound").expect("a table");
        assert_eq!(all.rows.iter().map(|row| row.id).collect::<Vec<_>>(), (1..=90).collect::<Vec<_>>());
        for row in &all.rows {
            let words = match row.id {
                7 => "x".repeat(2000),
                id => format!("error {id}"),
            };
            assert_eq!(all.value(row, "error_msg"), Some(&Value::Text(words)));
            assert_eq!(all.int(row, "status"), Some((0x9c00_0000_0000_0005_u64 as i64) + row.id));
            assert_eq!((all.int(row, "apicid"), all.int(row, "cs")), (Some(row.id % 3), Some(-1)));
            assert_eq!((all.int(row, "walltime"), all.int(row, "tsc")), (Some(1_700_000_000 + row.id), None));
            assert_eq!(all.value(row, "no_such"), None);
        }
        let last = opened(MADE, |database| (database.last_row("mce_record"), database.last_row("mc_event")));
        assert_eq!(last, Ok((Some(90), Some(0))));
        let few = opened(MADE, |database| {
            let rows = database.rows_after("mce_record", 88).expect("a table").rows;
            (rows.iter().map(|row| row.id).collect::<Vec<_>>(), database.looked_at.get())
        });
        let (ids, pages) = few.expect("sound");
        assert_eq!(ids, [89, 90]);
        assert!(pages < 12, "{pages} pages for two rows");
    }

    #[test]
    fn what_was_damaged_is_an_answer_or_none_but_no_panic() {
        let mut seed = 1u64;
        for _ in 0..500 {
            let mut bytes = MADE.to_vec();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 20) as u8;
            }
            bytes.truncate(if seed.is_multiple_of(3) { (seed >> 7) as usize % bytes.len() } else { bytes.len() });
            let _ = opened(&bytes, |database| (database.rows_after("mce_record", 5), database.last_row("mce_record")));
        }
    }

    #[test]
    fn what_is_no_database_or_keeps_its_news_elsewhere_is_refused() {
        let is = |bytes: &[u8]| opened(bytes, |_| ()).err();
        assert_eq!(is(b""), Some(SqliteError::NotSqlite));
        assert_eq!(is(&[b'x'; 5000]), Some(SqliteError::NotSqlite));
        let mut ahead = database("t", &["id"], &[]);
        assert_eq!(is(&ahead), None);
        ahead[18..20].fill(2);
        assert_eq!(is(&ahead), Some(SqliteError::Ahead));
        let nowhere = tempfile::tempdir().expect("a folder");
        let root = Root::at(nowhere.path());
        assert_eq!(Database::open(&root, "/x.db").err(), Some(SqliteError::Unreadable));
    }

    #[test]
    fn what_is_being_written_does_not_count_yet() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::at(folder.path());
        fs::write(folder.path().join("x.db"), database("t", &["id", "a"], &[vec![Value::Other, Value::Int(5)]]))
            .expect("writable");
        let read = || Database::open(&root, "/x.db").expect("sound").rows_after("t", 0);
        let rows = read().expect("settled");
        assert_eq!(rows.int(&rows.rows[0], "a"), Some(5));
        fs::write(folder.path().join("x.db-journal"), "x").expect("writable");
        assert_eq!(read(), None);
        assert_eq!(Database::open(&root, "/x.db").expect("sound").rows_after("no_such", 0), None);
    }
}
