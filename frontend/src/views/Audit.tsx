// Who did what through the admin API.

import { ViewHead } from '../parts/basics';
import { Trail } from '../parts/Trail';

export function Audit() {
  return (
    <>
      <ViewHead title="Audit trail" />
      <section className="panel">
        <Trail />
      </section>
    </>
  );
}
