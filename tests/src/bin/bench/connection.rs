//! A minimal HTTP/1.1 keep-alive client: one request at a time, answers with `Content-Length` or 304 only, an error
//! on whatever else. It does as little as possible, so that the server is what is measured.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest answer accepted, head and body, in bytes.
const MAX_RESPONSE: usize = 1 << 20;
/// Most header fields accepted in an answer.
const MAX_HEADERS: usize = 48;

/// One TCP connection to a server.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer, borrowed from its connection.
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    /// Whether the header field `Retry-After` is there with whole seconds or a date.
    pub(crate) retry_after: bool,
    head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Connection {
    /// Connects without delay of small segments (`TCP_NODELAY`).
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends one complete request and waits for its answer, whatever its status.
    ///
    /// # Errors
    /// If the connection breaks, or the answer is no HTTP/1.1, has neither `Content-Length` nor the status 304, or is
    /// too long.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Response<'_>> {
        self.stream
            .write_all(request)
            .await
            .context("cannot send the request")?;
        self.received.clear();
        let head = loop {
            self.receive().await?;
            if let Some(head) = Head::parse(&self.received)? {
                break head;
            }
        };
        let end = head
            .length
            .checked_add(head.content_length)
            .context("Content-Length out of range")?;
        while self.received.len() < end {
            self.receive().await?;
        }
        if self.received.len() > end {
            bail!(
                "{} bytes more than Content-Length announced",
                self.received.len() - end
            );
        }
        Ok(Response {
            status: head.status,
            retry_after: head.retry_after,
            head: &self.received[..head.length],
            body: &self.received[head.length..end],
        })
    }

    async fn receive(&mut self) -> anyhow::Result<()> {
        if self.received.len() >= MAX_RESPONSE {
            bail!("the answer is longer than {MAX_RESPONSE} bytes");
        }
        match self
            .stream
            .read_buf(&mut self.received)
            .await
            .context("cannot read the answer")?
        {
            0 => bail!("the server closed the connection instead of answering"),
            _ => Ok(()),
        }
    }
}

impl<'a> Response<'a> {
    /// The body of an answer that has to be 200.
    ///
    /// # Errors
    /// On any other status, with the beginning of the body.
    pub(crate) fn ok(self) -> anyhow::Result<&'a [u8]> {
        self.expect(200)
    }

    /// The body of an answer that has to have that status.
    ///
    /// # Errors
    /// On any other status, with the beginning of the body.
    pub(crate) fn expect(self, status: u16) -> anyhow::Result<&'a [u8]> {
        if self.status == status {
            return Ok(self.body);
        }
        let beginning = String::from_utf8_lossy(&self.body[..self.body.len().min(300)]);
        bail!("status {} instead of {status}: {beginning}", self.status)
    }

    /// The value of a header field, if it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        response.parse(self.head).ok()?;
        let field = headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))?;
        str::from_utf8(field.value).ok()
    }
}

/// What matters of an answer's head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Length of the head itself in bytes, its final empty line included.
    length: usize,
    content_length: usize,
    retry_after: bool,
}

impl Head {
    /// Reads the head at the beginning of `received`; `None` if it is not complete yet.
    fn parse(received: &[u8]) -> anyhow::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) =
            response.parse(received).context("the answer is no HTTP/1.1")?
        else {
            return Ok(None);
        };
        let mut content_length = None;
        let mut retry_after = false;
        for header in response.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                let value = str::from_utf8(header.value)?
                    .parse()
                    .context("Content-Length is no number")?;
                if content_length.replace(value).is_some() {
                    bail!("the answer has several Content-Length");
                }
            } else if header.name.eq_ignore_ascii_case("retry-after") {
                retry_after = !header.value.trim_ascii().is_empty();
            }
        }
        let status = response.code.context("the answer has no status")?;
        let content_length = match status {
            // RFC 9112 section 6.3: it ends with its head, whatever it says about the length of its content.
            304 => 0,
            _ => content_length.context("the answer has no Content-Length")?,
        };
        Ok(Some(Self {
            status,
            length,
            content_length,
            retry_after,
        }))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn reads_a_head_only_when_it_is_complete() {
        let head = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\nRetry-After: 1\r\n\r\n";
        let expected = Head {
            status: 503,
            length: head.len(),
            content_length: 2,
            retry_after: true,
        };
        assert_eq!(Head::parse(&[&head[..], b"ok"].concat()).unwrap(), Some(expected));
        for end in 0..head.len() {
            assert_eq!(Head::parse(&head[..end]).unwrap(), None);
        }
    }

    #[test]
    fn refuses_what_it_cannot_delimit() {
        for head in [
            &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert!(Head::parse(head).is_err(), "{}", String::from_utf8_lossy(head));
        }
    }

    /// Answers each request on one connection with the next of `answers`, byte sequences in separate writes.
    async fn serve(answers: &'static [&'static [&'static [u8]]]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            for answer in answers {
                let mut request = [0; 64];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                for piece in *answer {
                    stream.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        Connection::open(address).await.unwrap()
    }

    #[tokio::test]
    async fn keeps_the_connection_over_requests_and_pieces() {
        let mut connection = serve(&[
            &[b"HTTP/1.1 200 OK\r\ncont", b"ent-length: 5\r\n\r\nhe", b"llo"],
            &[b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"],
            &[b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"],
            &[b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"],
        ])
        .await;
        assert_eq!(connection.exchange(b"GET").await.unwrap().ok().unwrap(), b"hello");
        let unchanged = connection.exchange(b"GET").await.unwrap();
        assert_eq!(
            (unchanged.header("etag"), unchanged.header("x")),
            (Some("\"x\""), None)
        );
        assert_eq!(unchanged.expect(304).unwrap(), b"");
        assert_eq!(
            connection.exchange(b"GET").await.unwrap().expect(304).unwrap(),
            b""
        );
        let error = connection.exchange(b"GET").await.unwrap().ok().unwrap_err();
        assert!(
            error.to_string().starts_with("status 400 instead of 200"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_closed_connection_and_surplus_bytes_are_errors() {
        let mut closed = serve(&[&[b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe"]]).await;
        assert!(closed.exchange(b"GET").await.is_err());
        let mut surplus = serve(&[&[b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nhello"]]).await;
        assert!(surplus.exchange(b"GET").await.is_err());
    }
}
