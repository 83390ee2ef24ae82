//! Headless Chromium, driven through its WebDriver. Debian's packages `chromium` and `chromium-driver` provide both.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, error::CmdError};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use session_local::workspace::workspace;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::OnceCell,
    time::{sleep, timeout},
};
use uuid::Uuid;

/// How long a page may take to show the expected content.
const PATIENCE: Duration = Duration::from_secs(20);

/// The browser driver that all scenarios of this run share.
static BROWSER: OnceCell<Browser> = OnceCell::const_new();

/// Returns the driver, which the first scenario starts.
pub(crate) async fn browser() -> &'static Browser {
    BROWSER.get_or_init(async || Browser::start().await.expect("chromedriver starts")).await
}

/// Stops the driver, if it was started.
pub(crate) fn stop() {
    if let Some(browser) = BROWSER.get() {
        let mut process = browser.process.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = process.start_kill();
    }
}

/// A browser driver.
pub(crate) struct Browser {
    url: String,
    process: Mutex<Child>,
}

impl Browser {
    /// Starts the driver, or returns the reason why it cannot be started.
    async fn start() -> Result<Self, String> {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("chromedriver does not run: {error}"))?;
        let stdout = process.stdout.take().ok_or("chromedriver prints nothing")?;
        let mut lines = BufReader::new(stdout).lines();
        let port = async {
            while let Some(line) = lines.next_line().await.ok().flatten() {
                if let Some(port) = line.strip_prefix("ChromeDriver was started successfully on port ") {
                    return Some(port.trim_end_matches('.').to_owned());
                }
            }
            None
        };
        let port = timeout(Duration::from_secs(30), port).await.ok().flatten();
        let port = port.ok_or("chromedriver does not print its port")?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), process: Mutex::new(process) })
    }

    /// Opens a page in a new window of this width.
    pub(crate) async fn open(&self, url: &str, width: u32) -> Page {
        // Chromium does not accept a path with `..` in it.
        let root = workspace().canonicalize().expect("the workspace");
        let profile = root.join("target/chromium").join(Uuid::new_v4().simple().to_string());
        let arguments = [
            "--headless=new",
            // The sandbox does not work for root, and containers run as root. The pages are our own.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.display()),
            &format!("--window-size={width},1000"),
        ];
        let Value::Object(capabilities) = json!({"goog:chromeOptions": {"args": arguments}}) else {
            unreachable!()
        };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(capabilities).connect(&self.url).await.expect("chromium starts");
        client.goto(url).await.expect("the page opens");
        Page { client, profile }
    }
}

/// A page in a window.
pub(crate) struct Page {
    client: Client,
    profile: PathBuf,
}

impl Page {
    /// Waits for the element with this id and returns it.
    async fn at(&self, id: &str) -> Element {
        let wait = self.client.wait().at_most(PATIENCE).every(Duration::from_millis(20));
        wait.for_element(Locator::Id(id)).await.expect(id)
    }

    /// Clicks an element as soon as that is possible.
    pub(crate) async fn click(&self, id: &str) {
        let clicked = async {
            while self.try_click(id).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, clicked).await.expect(id);
    }

    async fn try_click(&self, id: &str) -> Result<(), CmdError> {
        let element = self.at(id).await;
        // Scroll it away from elements that cover the window's edges.
        self.on(&element, "arguments[0].scrollIntoView({block: 'center'})", []).await?;
        if element.is_enabled().await? { element.click().await } else { Err(CmdError::WaitTimeout) }
    }

    /// Presses a key in an element.
    pub(crate) async fn press(&self, id: &str, key: char) {
        self.at(id).await.send_keys(&key.to_string()).await.expect(id);
    }

    /// Replaces the content of a field.
    pub(crate) async fn fill(&self, id: &str, text: &str) {
        let set = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'));";
        self.on(&self.at(id).await, set, [text.into()]).await.expect(id);
    }

    /// Leaves a field, as a person does after typing into it.
    pub(crate) async fn leave(&self, id: &str) {
        self.on(&self.at(id).await, "arguments[0].dispatchEvent(new Event('change'))", []).await.expect(id);
    }

    /// Waits until an element's text matches.
    pub(crate) async fn until(&self, id: &str, is_so: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        let wait = async {
            loop {
                text = self.text(id).await.unwrap_or_default();
                if is_so(&text) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let came = timeout(PATIENCE, wait).await.is_ok();
        assert!(came, "{id} shows: {text}");
        text
    }

    /// Waits until an element contains a text.
    pub(crate) async fn shows(&self, id: &str, text: &str) {
        self.until(id, |shown| shown.contains(text)).await;
    }

    async fn text(&self, id: &str) -> Result<String, CmdError> {
        self.client.find(Locator::Id(id)).await?.text().await
    }

    /// Runs a script and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect("the script runs")
    }

    async fn on<const N: usize>(
        &self,
        element: &Element,
        script: &str,
        more: [Value; N],
    ) -> Result<Value, CmdError> {
        let element = serde_json::to_value(element).expect("an element's id");
        self.client.execute(script, [element].into_iter().chain(more).collect()).await
    }

    /// Clicks the button of a session in a list.
    pub(crate) async fn choose(&self, list: &str, session: &str) {
        let script = "[...document.querySelectorAll(`#${arguments[0]} button`)].find(b => b.dataset.session === arguments[1]).click()";
        self.client.execute(script, vec![list.into(), session.into()]).await.expect(session);
    }

    /// Closes the window.
    pub(crate) async fn close(self) {
        self.client.close().await.expect("chromium ends");
        let _ = std::fs::remove_dir_all(self.profile);
    }
}
