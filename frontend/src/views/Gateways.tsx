// Every worker of every gateway: where it is, how long it runs, what it carries, how it is.

import { ApiError } from '../lib/api';
import { printCount, printDuration } from '../lib/format';
import { isTrouble, type KnownNode } from '../lib/gateways';
import { Empty, Failed, Loading, Since, Ticking, ViewHead } from '../parts/basics';
import { useConsole, useIsUpToDate, useStream } from '../parts/hooks';
import { NodeBadge } from '../parts/NodeBadge';

const count = (n: number | null) => (n === null ? '–' : printCount(n));

function Row({ node }: { node: KnownNode }) {
  const { started_at: since } = node;
  const isHere = node.state !== 'lost' && node.state !== 'dead';
  return (
    <tr className={isTrouble(node) ? 'trouble' : ''}>
      <th scope="row">
        <span className="address">{node.address ?? 'not known'}</span>
        <span className="hint node" title={node.node}>
          {node.node}
        </span>
      </th>
      <td>
        <NodeBadge node={node} />
      </td>
      <td className="right number">{isHere ? count(node.connections) : '–'}</td>
      <td className="right number">{isHere ? count(node.rooms) : '–'}</td>
      <td className="right number wide-only">{isHere ? count(node.members) : '–'}</td>
      <td className="wide-only">
        {isHere && since !== null ? (
          <Ticking print={(now) => printDuration(now - since)} />
        ) : (
          '–'
        )}
      </td>
      <td className="wide-only">{node.version ?? '–'}</td>
    </tr>
  );
}

function State() {
  const { state } = useStream();
  const isUpToDate = useIsUpToDate();
  if (state === 'connecting') return <Loading />;
  if (!isUpToDate)
    return <Failed error={new ApiError(state === 'redis' ? 503 : 0, 'offline', '')} />;
  return (
    <Empty title="No gateway runs">
      One that is started with this Redis shows itself within seconds.
    </Empty>
  );
}

export function Gateways() {
  const { nodes } = useConsole();
  const { samples } = useStream();
  const isUpToDate = useIsUpToDate();
  return (
    <>
      <ViewHead
        title="Gateways"
        note={<Since ms={isUpToDate ? null : (samples.at(-1)?.ts ?? null)} />}
      />
      <section className="panel gateways">
        {nodes.length === 0 ? (
          <State />
        ) : (
          <div className="table">
            <table>
              <caption className="hidden">Workers of gateways</caption>
              <thead>
                <tr>
                  <th scope="col">Address and worker</th>
                  <th scope="col">State</th>
                  <th scope="col" className="right">
                    <span className="wide-only">Connections</span>
                    <span className="narrow-only">Clients</span>
                  </th>
                  <th scope="col" className="right">
                    Rooms
                  </th>
                  <th scope="col" className="right wide-only">
                    Places taken
                  </th>
                  <th scope="col" className="wide-only">
                    Runs for
                  </th>
                  <th scope="col" className="wide-only">
                    Version
                  </th>
                </tr>
              </thead>
              <tbody>
                {nodes.map((node) => (
                  <Row key={node.node} node={node} />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </>
  );
}
