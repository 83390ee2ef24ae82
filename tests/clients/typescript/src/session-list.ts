/**
 * The list of conversations that an app keeps on a device. It is fetched once and then kept up to date by syncing changes.
 *
 * `npm run generate` creates `generated/contract.ts` from the service's OpenAPI document, so no type is written twice.
 */
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./generated/contract.js";

export type RecentSession = components["schemas"]["RecentSession"];
export type LastMessage = components["schemas"]["LastMessage"];
export type RecallNotice = components["schemas"]["RecallNotice"];
type Problem = components["schemas"]["Error"];
export type Api = Client<paths>;

/** Creates a client of the API at a URL. The token is obtained for every request, because it may have been renewed. */
export function sessionApi(baseUrl: string, token: () => string, fetch?: typeof globalThis.fetch): Api {
  const api = createClient<paths>({ baseUrl, ...(fetch && { fetch }) });
  api.use({
    onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${token()}`);
      return request;
    },
  });
  return api;
}

/** The error for a response that is not a success. */
export class ApiError extends Error {
  readonly status: number;
  /** The case that a program may act on, such as `no-such-session`. It is empty for the gateway's own responses. */
  readonly type: string;
  readonly parameter: string | undefined;

  constructor(status: number, problem: Problem | undefined) {
    super(problem?.detail ?? problem?.message ?? `status ${status}`);
    this.status = status;
    this.type = problem?.type?.split(":").at(-1) ?? "";
    this.parameter = problem?.parameter;
  }
}

const MAX_TRIES = 5;
export type Pause = (seconds: number) => Promise<void>;
const sleep: Pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** The result of a request, in whatever form the OpenAPI document describes it. */
type Answer<T> = { data?: T; error?: Problem; response: Response };

/**
 * Sends a request. On a 429, a 503 or no response, it is retried after the seconds in `Retry-After`. Without that header the
 * delay is 1, 2, 4, … seconds plus a random part of another second, so that devices do not all return at the same time.
 */
export async function call<T>(make: () => Promise<Answer<T>>, pause: Pause = sleep): Promise<T> {
  for (let tried = 1; ; tried++) {
    const answer = await make().catch(() => undefined);
    if (answer?.data !== undefined) return answer.data;
    const status = answer?.response.status ?? 0;
    if (tried === MAX_TRIES || ![0, 429, 503].includes(status)) throw new ApiError(status, answer?.error);
    const after = Number(answer?.response.headers.get("Retry-After") ?? NaN);
    await pause(Number.isFinite(after) ? after : 2 ** (tried - 1) + Math.random());
  }
}

/** The storage of a device. Each method is one transaction: if the device dies during it, the previous state remains. */
export interface Store {
  syncToken(): Promise<string | undefined>;
  replaceAll(sessions: RecentSession[], syncToken: string): Promise<void>;
  apply(updated: RecentSession[], deleted: string[], syncToken: string): Promise<void>;
}

/** A store in memory. An app would use a table of sessions by `sessionId`, and one row for the token. */
export class MemoryStore implements Store {
  private sessions = new Map<string, RecentSession>();
  private token: string | undefined;

  async syncToken(): Promise<string | undefined> {
    return this.token;
  }

  async replaceAll(sessions: RecentSession[], syncToken: string): Promise<void> {
    this.sessions = new Map(sessions.map((session) => [session.sessionId, session]));
    this.token = syncToken;
  }

  async apply(updated: RecentSession[], deleted: string[], syncToken: string): Promise<void> {
    for (const session of updated) this.sessions.set(session.sessionId, session);
    // The device may never have had some of these.
    for (const id of deleted) this.sessions.delete(id);
    this.token = syncToken;
  }

  /** Returns the sessions, newest first, as the service lists them. */
  list(): RecentSession[] {
    return [...this.sessions.values()].sort((a, b) => b.updateTime - a.updateTime);
  }
}

/** Keeps a store equal to the service's list. */
export class SessionList {
  constructor(
    private readonly api: Api,
    private readonly store: Store,
    private readonly pause: Pause = sleep,
  ) {}

  /** Syncs the store. Call it at start-up, on return to the foreground and after a reconnect, from one caller at a time. */
  async sync(): Promise<void> {
    const token = await this.store.syncToken();
    if (token === undefined) return this.pullAll();
    for (let since = token, more = true; more; ) {
      try {
        const query = { since };
        const page = await call(() => this.api.GET("/v1/sessions/changes", { params: { query } }), this.pause);
        await this.store.apply(page.updated, page.deleted, page.syncToken);
        [since, more] = [page.syncToken, page.hasMore];
      } catch (error) {
        // The token is too old, or the operator has restored a table: fetch the list again.
        if (error instanceof ApiError && error.status === 410) return this.pullAll();
        throw error;
      }
    }
  }

  /** Fetches the whole list, page by page. With the first page's token, the next sync pass reports what changes meanwhile. */
  private async pullAll(): Promise<void> {
    const sessions: RecentSession[] = [];
    let syncToken: string | undefined;
    let query: { limit: number; cursor?: string } | undefined = { limit: 100 };
    while (query !== undefined) {
      const asked: { limit: number; cursor?: string } = query;
      const page = await call(() => this.api.GET("/v1/sessions", { params: { query: asked } }), this.pause);
      sessions.push(...page.sessionList);
      syncToken ??= page.syncToken;
      query = page.hasMore && page.nextCursor !== undefined ? { limit: 100, cursor: page.nextCursor } : undefined;
    }
    if (syncToken === undefined) throw new Error("the first page has no syncToken");
    await this.store.replaceAll(sessions, syncToken);
  }
}

/** The last content of a session: a message, the notice of a recall, or nothing yet. */
export type Shown =
  | { kind: "message"; message: LastMessage }
  | { kind: "recall"; notice: RecallNotice }
  | { kind: "nothing" };

/** Parses `lastMsg`, a JSON string. A kind that this app does not know yet is shown as nothing. */
export function parseLastMsg(session: RecentSession): Shown {
  if (session.lastMsg === undefined) return { kind: "nothing" };
  if (session.lastMsgType === 0) return { kind: "message", message: JSON.parse(session.lastMsg) as LastMessage };
  if (session.lastMsgType === 1) return { kind: "recall", notice: JSON.parse(session.lastMsg) as RecallNotice };
  return { kind: "nothing" };
}
