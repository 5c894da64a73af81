// All rooms: the latest or the largest first, or those whose name contains a text, a page at
// a time as the API's cursors give them.

import { ChevronLeft, ChevronRight, Search, Trash2 } from 'lucide-react';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { Api, RoomPage, RoomRow, Sort } from '../lib/api';
import { printCount } from '../lib/format';
import { printRoute } from '../lib/route';
import { printMissing } from '../lib/shards';
import { Empty, Freshness, Loaded, RoomLink, Time, ViewHead } from '../parts/basics';
import { CloseRoom } from '../parts/CloseRoom';
import { Countdown } from '../parts/Countdown';
import { useConsole, useMay, useResource, useStreamEvents } from '../parts/hooks';

const PAGE = 25;
const AGAIN_MS = 3000;
const SEARCH_AGAIN_MS = 15_000; // it looks at every name
const TYPED_MS = 250;
const LOOKS_MAX = 10;

interface Query {
  sort: Sort;
  search: string;
  /** Cursors of the pages up to this one; the first has none. */
  cursors: readonly string[];
}

/** A search looks at so many names a request, and may come back with none: it goes on. */
async function loadPage(api: Api, { sort, search, cursors }: Query): Promise<RoomPage> {
  let cursor = cursors.at(-1) ?? null;
  let page: RoomPage = { rooms: [], next: cursor, total: null };

  for (let look = 0; look < LOOKS_MAX; look++) {
    const got = await api.rooms({ sort, search, cursor, limit: PAGE });
    page = { ...got, rooms: [...page.rooms, ...got.rooms] };
    cursor = got.next;
    if (!search || cursor === null || page.rooms.length >= PAGE) break;
  }
  return page;
}

function SortHead({
  sort,
  query,
  onQuery,
  children,
}: {
  sort: Sort;
  query: Query;
  onQuery: (query: Query) => void;
  children: ReactNode;
}) {
  const isOn = !query.search && query.sort === sort;
  return (
    <th
      scope="col"
      className={sort === 'members' ? 'right' : ''}
      aria-sort={isOn ? 'descending' : 'none'}
    >
      <button
        type="button"
        className="sort"
        disabled={query.search !== ''}
        onClick={() => onQuery({ ...query, sort, cursors: [] })}
      >
        {children}
        <span aria-hidden>{isOn ? ' ↓' : ''}</span>
      </button>
    </th>
  );
}

function Row({ row, at, onClose }: { row: RoomRow; at: number; onClose: () => void }) {
  const mayClose = useMay('admin');
  return (
    <tr>
      <th scope="row">
        <RoomLink room={row.room} />
        {row.broken && <span className="broken"> broken: {row.broken}</span>}
      </th>
      <td className="right number">{printCount(row.members)}</td>
      <td className="right number wide-only">{printCount(row.seq)}</td>
      <td className="wide-only">
        {row.created_at > 0 && <Time ms={row.created_at} />}
      </td>
      <td className="expires">
        <Countdown ttlMs={row.ttl_ms} at={at} />
      </td>
      <td className="right">
        {mayClose && (
          <button
            type="button"
            className="icon danger"
            aria-label={`Close ${row.room}`}
            title="Close the room"
            onClick={onClose}
          >
            <Trash2 aria-hidden />
          </button>
        )}
      </td>
    </tr>
  );
}

function Pager({
  query,
  next,
  onQuery,
}: {
  query: Query;
  next: string | null;
  onQuery: (query: Query) => void;
}) {
  const { cursors } = query;
  return (
    <nav className="pager" aria-label="Pages">
      <button
        type="button"
        disabled={cursors.length === 0}
        onClick={() => onQuery({ ...query, cursors: cursors.slice(0, -1) })}
      >
        <ChevronLeft aria-hidden /> Back
      </button>
      <span className="number">Page {cursors.length + 1}</span>
      <button
        type="button"
        disabled={next === null}
        onClick={() => next && onQuery({ ...query, cursors: [...cursors, next] })}
      >
        Next <ChevronRight aria-hidden />
      </button>
    </nav>
  );
}

/** Not each letter is searched for. */
function SearchBox({ onSearch }: { onSearch: (text: string) => void }) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  useEffect(() => () => clearTimeout(timer.current), []);
  const onType = (text: string) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onSearch(text), TYPED_MS);
  };
  return (
    <search className="search">
      <Search aria-hidden />
      <input
        type="search"
        aria-label="Search rooms by a part of their name"
        placeholder="Part of a name"
        onChange={(event) => onType(event.target.value)}
      />
    </search>
  );
}

export function Rooms() {
  const { api } = useConsole();
  const [query, setQuery] = useState<Query>({
    sort: 'recent',
    search: '',
    cursors: [],
  });
  const [closing, setClosing] = useState<RoomRow | null>(null);
  const page = useResource(
    `rooms ${JSON.stringify(query)}`,
    () => loadPage(api, query),
    query.search ? SEARCH_AGAIN_MS : AGAIN_MS,
  );

  useStreamEvents(({ type }) => {
    if (['room_opened', 'room_closed', 'room_expired'].includes(type)) page.reload();
  });
  const total = page.data?.total ?? null;
  return (
    <>
      <ViewHead
        title="Rooms"
        note={
          <>
            <span className="hint number">
              {total === null ? '' : printCount(total)}
            </span>
            <Freshness resource={page} />
          </>
        }
      >
        <SearchBox
          onSearch={(search) => setQuery((now) => ({ ...now, search, cursors: [] }))}
        />
      </ViewHead>
      <section className="panel rooms">
        <Loaded resource={page}>
          {({ rooms, next, missing_shards: missing = [] }) => (
            <>
              {missing.length > 0 && <MissingShards missing={missing} />}
              {rooms.length === 0 ? (
                <NoRooms query={query} />
              ) : (
                <div className="table">
                  <table>
                    <caption className="hidden">Rooms</caption>
                    <thead>
                      <tr>
                        <SortHead sort="recent" query={query} onQuery={setQuery}>
                          Room<span className="wide-only">(latest first)</span>
                        </SortHead>
                        <SortHead sort="members" query={query} onQuery={setQuery}>
                          Members
                        </SortHead>
                        <th scope="col" className="right wide-only">
                          Messages
                        </th>
                        <th scope="col" className="wide-only">
                          Made
                        </th>
                        <th scope="col">Expires in</th>
                        <th scope="col">
                          <span className="hidden">Actions</span>
                        </th>
                      </tr>
                    </thead>
                    <tbody>
                      {rooms.map((row) => (
                        <Row
                          key={row.room}
                          row={row}
                          at={page.at}
                          onClose={() => setClosing(row)}
                        />
                      ))}
                    </tbody>
                  </table>
                </div>
              )}
              {(next !== null || query.cursors.length > 0) && (
                <Pager query={query} next={next} onQuery={setQuery} />
              )}
            </>
          )}
        </Loaded>
      </section>
      {closing && (
        <CloseRoom
          room={closing.room}
          onClose={() => setClosing(null)}
          onDone={page.reload}
        />
      )}
    </>
  );
}

function MissingShards({ missing }: { missing: readonly number[] }) {
  return (
    <p className="banner" role="status">
      {printMissing(missing)} <a href={printRoute({ view: 'shards' })}>Shards</a>
    </p>
  );
}

function NoRooms({ query }: { query: Query }) {
  if (query.search)
    return (
      <Empty title="No room has this in its name">
        Small and capital letters differ; * and ? mean themselves.
      </Empty>
    );
  return (
    <Empty
      title={query.cursors.length > 0 ? 'Nothing on this page' : 'There are no rooms'}
    >
      {query.cursors.length === 0 && 'The first to join one makes it.'}
    </Empty>
  );
}
