/** Lists of the API as async iterators: pages are asked for as they are needed. */

/** One page of a list, as the API gives it. */
export interface Page<T> {
  data: T[];
  next_cursor: string | null;
}

/** `for await (const each of pages)` goes through all of the list; `pages.byPage()` gives whole pages. */
export class Pages<T> implements AsyncIterable<T> {
  readonly #ask: (following: Page<T> | undefined) => Promise<Page<T> | undefined>;

  /** `ask` gets the page before, and gives the next one; undefined after the last. */
  constructor(ask: (following: Page<T> | undefined) => Promise<Page<T> | undefined>) {
    this.#ask = ask;
  }

  /** Each page of the list. */
  async *byPage(): AsyncGenerator<Page<T>, void, undefined> {
    let page: Page<T> | undefined;
    while ((page = await this.#ask(page)) !== undefined) yield page;
  }

  /** Each item of the list. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for await (const page of this.byPage()) yield* page.data;
  }

  /** The first item; undefined if there is none. */
  async first(): Promise<T | undefined> {
    for await (const each of this) return each;
    return undefined;
  }

  /** The first `limit` items, for lists that are known to be short. */
  async toArray(limit = 1_000): Promise<T[]> {
    const items: T[] = [];
    if (limit <= 0) return items;
    for await (const each of this) {
      items.push(each);
      if (items.length >= limit) break;
    }
    return items;
  }
}

/** A list that goes on at `next_cursor`. */
export function byCursor<T, Q extends { cursor?: string }>(query: Q, ask: (query: Q) => Promise<Page<T>>): Pages<T> {
  return new Pages(async (following) => {
    if (following === undefined) return ask(query);
    return following.next_cursor === null ? undefined : ask({ ...query, cursor: following.next_cursor });
  });
}
