/** Runs a day's use against a service that `cargo local` runs: `node build/day.js http://127.0.0.1:8080`. */
import assert from "node:assert/strict";
import { ApiError, MemoryStore, SessionList, call, parseLastMsg, sessionApi, type Api } from "./session-list.js";

const url = process.argv[2] ?? "http://127.0.0.1:8080";
const run = Date.now().toString(36);
const me = `ts-${run}`;

async function json(path: string, init: RequestInit): Promise<any> {
  const answer = await fetch(url + path, init);
  assert.equal(answer.status, 200, `${path}: ${answer.status}`);
  return answer.json();
}

let token = "";
async function signIn(): Promise<void> {
  token = (await json(`/local-issuer/token?user=${me}`, { method: "POST" })).access_token;
}

/** Posts a message copy as the messaging backend does. The service signs it in place of the backend. */
let sent = 0;
async function backend(copy: Record<string, string>): Promise<void> {
  const { now } = await json("/local-clock", {});
  const body = JSON.stringify({
    eventType: "1", convType: "PERSON", to: me, msgTimestamp: String(now), msgType: "TEXT", msgidServer: `${now}${++sent}`, ...copy,
  });
  const signed = JSON.stringify({ method: "POST", path: "/v1/messages", body });
  const headers = { "Content-Type": "application/json" };
  assert.deepEqual(await json("/console/signed", { method: "POST", headers, body: signed }), { result: "applied" });
}

async function rejected(status: number, type: string, make: () => Promise<unknown>): Promise<ApiError> {
  const error = await make().then(() => assert.fail(`${status} was expected`), (error: unknown) => error);
  assert.ok(error instanceof ApiError, String(error));
  assert.deepEqual([error.status, error.type], [status, type]);
  return error;
}

const ODD = "p2p|a b%20中文😀?#&+|c";
const session = (sessionId: string) => ({ params: { path: { sessionId } } });

async function day(api: Api): Promise<void> {
  // The first full fetch, page by page, on a phone and a tablet.
  for (let friend = 0; friend < 5; friend++) await backend({ fromAccount: `friend-${friend}-${run}`, body: `hello ${friend}` });
  const [phone, tablet] = [new MemoryStore(), new MemoryStore()];
  const [onPhone, onTablet] = [new SessionList(api, phone), new SessionList(api, tablet)];
  await onPhone.sync();
  await onTablet.sync();
  assert.equal(phone.list().length, 5);
  const ids: string[] = [];
  for (let cursor: string | undefined, more = true; more; ) {
    const query = { limit: 2, ...(cursor !== undefined && { cursor }) };
    const page = await call(() => api.GET("/v1/sessions", { params: { query } }));
    ids.push(...page.sessionList.map((session) => session.sessionId));
    [cursor, more] = [page.nextCursor, page.hasMore];
  }
  assert.deepEqual(ids, phone.list().map((session) => session.sessionId), "each session once, newest first");

  // The last message.
  const newest = phone.list()[0];
  assert.ok(newest);
  const shown = parseLastMsg(newest);
  assert.ok(shown.kind === "message");
  assert.deepEqual([shown.message.from, shown.message.body], [`friend-4-${run}`, "hello 4"]);

  // Custom data, on a session whose id an app must encode.
  const set = await call(() => api.PATCH("/v1/sessions/{sessionId}", { ...session(ODD), body: { ext: "pinned 📌" } }));
  assert.deepEqual([set.sessionId, set.ext, set.lastMsg], [ODD, "pinned 📌", undefined]);
  const got = await call(() => api.GET("/v1/sessions/{sessionId}", session(ODD)));
  assert.deepEqual(got, set);
  assert.deepEqual(parseLastMsg(got), { kind: "nothing" });

  // One device learns from the changes what the other one did.
  const first = `p2p|friend-0-${run}`;
  const remove = async () => {
    const shown = phone.list().find((session) => session.sessionId === first);
    assert.ok(shown);
    const params = { path: { sessionId: first }, query: { version: shown.version } };
    return call(() => api.DELETE("/v1/sessions/{sessionId}", { params }));
  };
  await backend({ fromAccount: `friend-0-${run}`, body: "not seen yet" });
  assert.deepEqual((await remove()).newer, [first], "what the app has not seen stays");
  await onPhone.sync();
  assert.deepEqual((await remove()).deleted, [first]);
  await rejected(404, "no-such-session", () => call(() => api.GET("/v1/sessions/{sessionId}", session(first))));
  await backend({ fromAccount: `friend-1-${run}`, body: "again" });
  await onTablet.sync();
  const onIt = tablet.list().map((session) => session.sessionId);
  assert.ok(onIt.includes(ODD) && !onIt.includes(first), onIt.join());
  assert.equal(onIt[0], `p2p|friend-1-${run}`);
  const batch = [ODD, `p2p|friend-2-${run}`];
  const sessions = tablet.list().filter((session) => batch.includes(session.sessionId));
  const body = { sessions: sessions.map(({ sessionId, version }) => ({ sessionId, version })) };
  const outcome = await call(() => api.POST("/v1/sessions/batch-delete", { body }));
  assert.deepEqual([outcome.deleted.sort(), outcome.newer, outcome.failed], [batch.sort(), [], []]);
  await onPhone.sync();
  await onTablet.sync();
  assert.deepEqual(phone.list(), tablet.list(), "two devices agree");
  assert.equal(phone.list().length, 3);

  // A rejection names what is wrong.
  const bad = await rejected(400, "invalid-parameter", () => call(() => api.GET("/v1/sessions", { params: { query: { limit: 101 } } })));
  assert.equal(bad.parameter, "limit");
  const stranger = sessionApi(url, () => "no token");
  await rejected(401, "", () => call(() => stranger.GET("/v1/sessions", {})));

  // A throttled request is repeated after the time that the service requests.
  let answers = 0;
  const busy: typeof fetch = async (input, init) =>
    ++answers === 1 ? new Response("{}", { status: 503, headers: { "Retry-After": "7", "Content-Type": "application/json" } }) : fetch(input, init);
  const waited: number[] = [];
  const patient = new SessionList(sessionApi(url, () => token, busy), phone, async (seconds) => void waited.push(seconds));
  await patient.sync();
  assert.deepEqual([answers, waited], [2, [7]]);

  // A month later, the sync token has expired, and the list is fetched again.
  await json("/local-clock", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"advance": "31d"}' });
  await signIn();
  await backend({ fromAccount: `friend-9-${run}`, body: "a month later" });
  const since = await tablet.syncToken();
  assert.ok(since !== undefined);
  await rejected(410, "sync-token-expired", () => call(() => api.GET("/v1/sessions/changes", { params: { query: { since } } })));
  await onTablet.sync();
  assert.equal(tablet.list()[0]?.sessionId, `p2p|friend-9-${run}`);
  assert.equal(tablet.list().length, 4);
}

await signIn();
await day(sessionApi(url, () => token));
console.log("TypeScript: a day's use went well");
